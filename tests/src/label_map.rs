//! A temporary label map at `/etc/xtables/connlabel.conf`, the path that every program reads.
//!
//! The original's version 1.4.7 takes no other path, and a test must not change the machine's own `/etc`. The map is
//! therefore in a mount namespace of its own, together with the few other files of `/etc` that the programs read.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The files that the programs and the C library read: names of protocols, services and users.
const KEPT: [&str; 7] = ["group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd", "protocols", "services"];

/// Runs `what` in the thread's network namespace, with this text as the label map.
pub fn with_label_map<T: Send>(map: &str, what: impl FnOnce() -> T + Send) -> T {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in KEPT {
        // Not every machine has all of these files.
        let _ = fs::copy(Path::new("/etc").join(name), folder.path().join(name));
    }
    let of_xtables = folder.path().join("xtables");
    fs::create_dir(&of_xtables).and_then(|()| fs::write(of_xtables.join("connlabel.conf"), map)).expect("it is ours");
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("who may make a network namespace may make this one");
            let nothing = None::<&str>;
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
                .expect("mounts can be our own");
            mount(Some(folder.path()), "/etc", nothing, MsFlags::MS_BIND, nothing).expect("a folder can be mounted");
            what()
        });
        inside.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
