//! Cached code: used if it is complete and trustworthy, compiled again otherwise.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ctwarden_guest::{CacheError, CodeArchive, CodeCache, Component, ComponentKey, Limits};
use ctwarden_model::PluginName;

use crate::host::Recorder;
use crate::setup::{NOW, bytes, flows, runtime};

/// A folder that only this user can write. It is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ctwarden-guest-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        allow(&folder, 0o700);
        Self(folder)
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Loads a guest through the cache and checks that it works.
fn works(folder: &Folder) {
    runs(&load(folder));
}

fn load(folder: &Folder) -> Component {
    load_guest(folder, "guest-trap")
}

/// Loads a guest as the program does: from the cache, or compiled and then stored there.
fn load_guest(folder: &Folder, guest: &str) -> Component {
    let cache = CodeCache::open(&folder.0).unwrap();
    let bytes = bytes(guest);
    let key = ComponentKey::new(runtime(), &bytes);
    if let Some(code) = cache.code(&key) {
        return runtime().load_code(&bytes, &code).unwrap();
    }
    let component = runtime().load(&bytes).unwrap();
    cache.keep_code(&key, &component.code().unwrap()).unwrap();
    component
}

fn runs(component: &Component) {
    let name = PluginName::new("cached").unwrap();
    let mut instance = component.instantiate(name, Limits::default(), Box::new(Recorder::new().0)).unwrap();
    instance.configure(NOW, "{}").unwrap();
    assert_eq!(instance.judge(&flows([80])).unwrap().len(), 1);
}

#[test]
fn code_in_an_archive_is_found_by_its_component() {
    let (first, second) = (bytes("guest-trap"), bytes("guest-panic"));
    let folder = Folder::new("archive");
    let path = folder.0.join("program");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"what else is in the file").unwrap();
    CodeArchive::write(&[&second, &first], &mut file).unwrap();
    // SAFETY: the lines above wrote the archive, and nobody else knows the file.
    #[expect(unsafe_code, reason = "see above")]
    let archive = unsafe { CodeArchive::open(File::open(&path).unwrap(), 24) }.unwrap();
    for component in [&first, &second] {
        let code = archive.code(component).unwrap().unwrap();
        assert!(runtime().load_code(component, &code).is_ok());
    }
    runs(&runtime().load_code(&first, &archive.code(&first).unwrap().unwrap()).unwrap());
    assert!(archive.code(b"another").unwrap().is_none());
    // SAFETY: nothing is an archive there, which must be noticed.
    #[expect(unsafe_code, reason = "see above")]
    let none = unsafe { CodeArchive::open(File::open(&path).unwrap(), 3) };
    assert!(none.unwrap_err().to_string().contains("no archive"));
}

#[test]
fn code_is_kept_and_taken() {
    let folder = Folder::new("kept");
    works(&folder);
    let [file] = &folder.files()[..] else { panic!("{:?}", folder.files()) };
    let written = fs::metadata(file).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
    works(&folder);
    // The code was read and not written again.
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written.modified().unwrap());
    load_guest(&folder, "guest-panic");
    assert_eq!(folder.files().len(), 2);
}

#[test]
fn a_note_holds_for_its_component_its_plugin_and_its_circumstances() {
    let folder = Folder::new("noted");
    let cache = CodeCache::open(&folder.0).unwrap();
    let [one, other] = ["guest-trap", "guest-panic"].map(|guest| ComponentKey::new(runtime(), &bytes(guest)));
    let [plugin, twin] = ["plugin", "twin"].map(|name| PluginName::new(name).unwrap());
    cache.keep_note(&one, &plugin, b"as it was", b"seen").unwrap();
    assert_eq!(cache.note(&one, &plugin, b"as it was").as_deref(), Some(&b"seen"[..]));
    assert_eq!(cache.note(&one, &plugin, b"otherwise"), None);
    assert_eq!(cache.note(&one, &twin, b"as it was"), None);
    assert_eq!(cache.note(&other, &plugin, b"as it was"), None);
    let file = folder.files().remove(0);
    let whole = fs::read(&file).unwrap();
    for place in [0, 40, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        fs::write(&file, flipped).unwrap();
        assert_eq!(cache.note(&one, &plugin, b"as it was"), None, "{place}");
    }
    fs::write(&file, &whole).unwrap();
    allow(&file, 0o606);
    assert_eq!(cache.note(&one, &plugin, b"as it was"), None, "others could have written it");
    cache.keep_note(&one, &plugin, b"otherwise", b"seen again").unwrap();
    assert_eq!(cache.note(&one, &plugin, b"as it was"), None, "the latest alone is kept");
    assert_eq!(folder.files().len(), 1);
}

#[test]
fn code_that_was_taken_does_not_change_with_its_file() {
    let folder = Folder::new("changed");
    works(&folder);
    let file = folder.files().remove(0);
    let taken = load(&folder);
    // Others truncate the file, which would end a process that maps it, and then fill it with nonsense.
    let length = fs::metadata(&file).unwrap().len();
    fs::write(&file, b"").unwrap();
    runs(&taken);
    fs::write(&file, vec![0xcc; usize::try_from(length).unwrap()]).unwrap();
    runs(&taken);
    let mapped = fs::read_to_string("/proc/self/maps").unwrap();
    let ours = |line: &&str| line.contains("r-xp") && line.contains("/memfd:ctwarden-code");
    assert!(mapped.lines().any(|line| ours(&line)), "it was taken from sealed memory: {mapped}");
}

#[test]
fn broken_code_is_made_anew() {
    let folder = Folder::new("broken");
    works(&folder);
    let file = folder.files().remove(0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for broken in [&whole[..0], &whole[..31], &whole[..32], &whole[..whole.len() / 2], &flipped[..]] {
        fs::write(&file, broken).unwrap();
        works(&folder);
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    }
}

#[test]
fn code_that_others_can_write_is_not_taken() {
    let folder = Folder::new("writable");
    works(&folder);
    let file = folder.files().remove(0);
    allow(&file, 0o606);
    works(&folder);
    // The file was replaced by one with the right mode.
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let elsewhere = folder.0.join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    works(&folder);
    assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let folder = Folder::new("shared");
    for mode in [0o770, 0o702, 0o777] {
        allow(&folder.0, mode);
        let error = CodeCache::open(&folder.0).unwrap_err();
        assert!(matches!(error, CacheError::Untrusted { .. }), "{mode:o}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    allow(&folder.0, 0o700);
    let link = folder.0.join("link");
    symlink(&folder.0, &link).unwrap();
    for none in [link, folder.0.join("missing")] {
        assert!(matches!(CodeCache::open(&none).unwrap_err(), CacheError::Open { .. }));
    }
}
