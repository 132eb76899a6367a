//! A label map where every program looks for one, `/etc/xtables/connlabel.conf`, for as long as something is done.
//!
//! The original's 1.4.7 cannot be told another path, and the machine's own `/etc` is not ours to change: the map is in a
//! mount namespace of its own, with the few files beside it that the programs read.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// What the programs and the C library read: names of protocols, services and users.
const KEPT: [&str; 7] = ["group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd", "protocols", "services"];

/// Does something, in the thread's network namespace, where the label map says this.
pub fn with_label_map<T: Send>(map: &str, what: impl FnOnce() -> T + Send) -> T {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in KEPT {
        // Not every machine has all of them.
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
