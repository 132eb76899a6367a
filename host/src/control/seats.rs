//! Limits of simultaneous clients of the control socket: few for each user, and always room for root.
//!
//! A client may wait between two requests without a limit, because `send` reads from pipes. If seats run short, waiting
//! clients must leave, the longest-waiting first. Neither forgotten clients nor a crowd of them keep others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Most clients of all users except root and the daemon's own user.
pub(super) const CROWD_MAX: usize = 32;
/// Most clients of one such user.
pub(super) const USER_MAX: usize = 16;
/// Most clients of root and of the daemon's own user.
pub(super) const PRIVILEGED_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// A counter that orders waits: the client with the lowest turn has waited longest.
    turn: u64,
    seats: BTreeMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    user: u32,
    /// Whether the user is root or the daemon's own user.
    privileged: bool,
    /// The turn since which the client waits for a request. `None` while it is served.
    waiting: Option<u64>,
    leave: Arc<Notify>,
}

/// One client's seat. Dropping it frees the seat.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leave: Arc<Notify>,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat for a client of that user. If none is free, another waiting client of the same user has to leave,
    /// or one of the user with the most clients.
    ///
    /// # Errors
    /// Why there is no seat.
    pub(super) fn take(self: &Arc<Self>, user: u32, privileged: bool) -> Result<Seat, String> {
        let mut taken = self.lock();
        let of_user = taken.seats.values().filter(|place| place.user == user).count();
        let crowd = taken.seats.values().filter(|place| !place.privileged).count();
        let leaving = if of_user >= if privileged { PRIVILEGED_MAX } else { USER_MAX } {
            let longest = taken.longest_waiting(user);
            Some(longest.ok_or_else(|| format!("{of_user} clients of user {user} are being served; end one of them"))?)
        } else if !privileged && crowd >= CROWD_MAX {
            let longest = taken.greediest().and_then(|greediest| taken.longest_waiting(greediest));
            Some(longest.ok_or_else(|| format!("{crowd} clients are being served; try again later"))?)
        } else {
            None
        };
        if let Some(place) = leaving.and_then(|number| taken.seats.remove(&number)) {
            place.leave.notify_one();
        }
        let (number, turn) = (taken.next, taken.turn);
        (taken.next, taken.turn) = (number.wrapping_add(1), turn.wrapping_add(1));
        let leave = Arc::new(Notify::new());
        let place = Place { user, privileged, waiting: Some(turn), leave: Arc::clone(&leave) };
        taken.seats.insert(number, place);
        Ok(Seat { seats: Arc::clone(self), number, leave })
    }
}

impl Taken {
    fn longest_waiting(&self, user: u32) -> Option<u64> {
        let waiting = self.seats.iter().filter(|(_, place)| place.user == user);
        let waiting = waiting.filter_map(|(number, place)| Some((place.waiting?, *number)));
        waiting.min().map(|(_, number)| number)
    }

    /// Returns the unprivileged user with the most clients, if some of them wait.
    fn greediest(&self) -> Option<u32> {
        let mut counts: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
        for place in self.seats.values().filter(|place| !place.privileged) {
            let (count, waits) = counts.entry(place.user).or_default();
            *count += 1;
            *waits |= place.waiting.is_some();
        }
        counts.into_iter().filter(|(_, (_, waits))| *waits).max_by_key(|(_, (count, _))| *count).map(|(user, _)| user)
    }
}

impl Seat {
    /// Completes when the client has to leave.
    pub(super) async fn leave(&self) {
        self.leave.notified().await;
    }

    /// Records that the client is served, or waits for its next request. Returns false if it has to leave.
    pub(super) fn serve(&self, served: bool) -> bool {
        let mut taken = self.seats.lock();
        let turn = taken.turn;
        taken.turn = turn.wrapping_add(1);
        match taken.seats.get_mut(&self.number) {
            Some(place) => {
                place.waiting = (!served).then_some(turn);
                true
            }
            None => false,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(seats: &Arc<Seats>, user: u32, count: usize) -> Vec<Seat> {
        (0..count).map(|_| seats.take(user, false).unwrap()).collect()
    }

    #[test]
    fn a_user_has_few_seats_and_who_waits_longest_leaves() {
        let seats = Arc::new(Seats::default());
        let mut own = fill(&seats, 1000, USER_MAX);
        assert!(own[0].serve(true) && own[0].serve(false), "it was served last");
        own.push(seats.take(1000, false).unwrap());
        assert!(!own[1].serve(true), "the second has waited longest now");
        assert!(own[0].serve(true) && own[2].serve(true));
        for seat in own.iter().skip(3) {
            assert!(seat.serve(true));
        }
        let refused = seats.take(1000, false).unwrap_err();
        assert_eq!(refused, format!("{USER_MAX} clients of user 1000 are being served; end one of them"));
        assert!(seats.take(1001, false).is_ok(), "another user is not held");
        own.pop();
        assert!(seats.take(1000, false).is_ok());
    }

    #[test]
    fn a_crowd_keeps_neither_root_nor_others_out() {
        let seats = Arc::new(Seats::default());
        let mut crowd: Vec<Seat> = (0..4).flat_map(|user| fill(&seats, 1000 + user, CROWD_MAX / 4)).collect();
        assert_eq!(crowd.len(), CROWD_MAX);
        let root: Vec<Seat> = (0..PRIVILEGED_MAX).map(|_| seats.take(0, true).unwrap()).collect();
        assert!(
            crowd.iter().chain(&root).all(|seat| seats.lock().seats.contains_key(&seat.number)),
            "nobody had to leave"
        );
        let newcomer = seats.take(2000, false).unwrap();
        let gone: Vec<_> = crowd.iter().filter(|seat| !seats.lock().seats.contains_key(&seat.number)).collect();
        assert_eq!(gone.len(), 1, "one of those who have most");
        crowd.push(newcomer);
        for seat in &crowd {
            seat.serve(true);
        }
        assert_eq!(seats.take(2001, false).unwrap_err(), "32 clients are being served; try again later");
        for seat in &root {
            seat.serve(true);
        }
        assert!(seats.take(0, true).is_err());
        drop(root);
        assert!(seats.take(0, true).is_ok());
        drop(crowd);
        assert!(seats.lock().seats.is_empty());
    }
}
