//! Ctrl-C and SIGTERM: the first one asks a run to save and stop, the second one ends the program at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// The state of an [`Interrupt`] that waits for the first signal.
const WAITING: i32 = 0;
/// The state of an [`Interrupt`] that leaves signals to do what they do by default.
const IGNORING: i32 = -1;

/// The user's wish to stop.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// [`WAITING`], [`IGNORING`], or the first signal that came.
    state: Arc<AtomicI32>,
}

impl Interrupt {
    /// Listens for signals. Until [`wait`](Self::wait) is called, a signal ends the program as it does by default.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let state = Arc::new(AtomicI32::new(IGNORING));
        let shared = state.clone();
        thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                match shared.compare_exchange(WAITING, signal, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => {
                        eprintln!(
                            "stopping after this update, with a checkpoint; Ctrl-C again stops at once"
                        );
                    }
                    Err(IGNORING) => {
                        // The program ends here. If the system does not do it, the next line does.
                        let _ = low_level::emulate_default_handler(signal);
                        low_level::exit(exit_status(signal).into());
                    }
                    Err(_) => low_level::exit(exit_status(signal).into()),
                }
            }
        })?;
        Ok(Self { state })
    }

    /// Takes the next signal for a wish to stop.
    pub(super) fn wait(&self) {
        self.state.store(WAITING, Ordering::SeqCst);
    }

    /// Leaves signals from now on to end the program, unless one has come before.
    pub(super) fn ignore(&self) {
        // After a signal, the state stays: it is the exit status.
        let _ = self
            .state
            .compare_exchange(WAITING, IGNORING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Returns the exit status that names the signal, once one has come.
    pub(super) fn exit_status(&self) -> Option<u8> {
        match self.state.load(Ordering::SeqCst) {
            WAITING | IGNORING => None,
            signal => Some(exit_status(signal)),
        }
    }
}

/// Returns the status by which shells report that a signal ended a program.
fn exit_status(signal: i32) -> u8 {
    128 + signal as u8
}
