//! Ctrl-C and SIGTERM: the first asks a run to save and stop, the second ends the program at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// What an [`Interrupt`] holds that no longer wants to be asked.
const NOT_LISTENING: i32 = -1;

/// The user's wish to stop. When it is dropped, the next signal ends the program at once.
#[derive(Debug)]
pub struct Interrupt {
    /// The first signal that came, or 0.
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let signal = Arc::new(AtomicI32::new(0));
        let first = signal.clone();
        thread::Builder::new().spawn(move || {
            for number in signals.forever() {
                if first
                    .compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst)
                    .is_err()
                {
                    low_level::exit(exit_status(number).into());
                }
                eprintln!("stopping after this update, with a checkpoint; Ctrl-C again stops at once");
            }
        })?;
        Ok(Self { signal })
    }

    /// The exit status that tells of the signal, once one has come.
    #[must_use]
    pub fn exit_status(&self) -> Option<u8> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(exit_status(signal)),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.signal.store(NOT_LISTENING, Ordering::SeqCst);
    }
}

/// The status by which shells report that a signal ended a program.
fn exit_status(signal: i32) -> u8 {
    128 + signal as u8
}
