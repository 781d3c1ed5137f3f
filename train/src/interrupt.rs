//! Ctrl-C and SIGTERM: the first asks a run to save and stop, the second ends the program at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The user's wish to stop. When it is dropped, the next signal ends the program at once.
#[derive(Debug)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGINT, SIGTERM] {
            // Asked before the line below sets the flag, so the first signal passes.
            flag::register_conditional_shutdown(number, exit_status(number).into(), requested.clone())?;
            flag::register(number, requested.clone())?;
            flag::register_usize(number, signal.clone(), number as usize)?;
        }
        Ok(Self { requested, signal })
    }

    /// The exit status that tells of the signal, once one has come.
    #[must_use]
    pub fn exit_status(&self) -> Option<u8> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(exit_status(signal as i32)),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.requested.store(true, Ordering::SeqCst);
    }
}

/// The status by which shells report that a signal ended a program.
fn exit_status(signal: i32) -> u8 {
    128 + signal as u8
}
