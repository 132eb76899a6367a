//! The five checks between what a plugin wants and what is done.

/// Proof that a thing passed every check of the guard; nothing else can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<T>(T);

impl<T> Granted<T> {
    /// What was granted.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was granted, to be carried out.
    pub fn into_inner(self) -> T {
        self.0
    }
}
