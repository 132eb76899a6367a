//! An interrupt ends all programs and restores the machine's switches before the benchmark exits.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::{ceiling, children, scratch};

/// Starts a thread that waits for SIGINT, SIGTERM and SIGHUP. The thread stays in the network namespace in which it
/// started, where the switches are writable.
pub(crate) fn watch() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(inside);
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            let mut asked = [&mut interrupt, &mut terminate, &mut hangup].map(|signal| Box::pin(signal.recv()));
            std::future::poll_fn(|context| {
                let heard = asked.iter_mut().any(|signal| signal.as_mut().poll(context).is_ready());
                if heard { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        });
        children::end_all();
        scratch::remove();
        if let Err(error) = ceiling::restore() {
            eprintln!("bench: {error:#}");
        }
        // The status that a shell reports for a program that an interrupt ended.
        std::process::exit(130);
    })?;
    Ok(())
}
