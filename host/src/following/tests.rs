//! Followers that read, that do not read, and that are too many.

use ctwarden_model::{Notice, PluginName};
use tokio::runtime::Builder;

use super::follower::QUEUE_BYTES_MAX;
use super::*;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn notice(plugin: &str) -> Record {
    Record::Notice(clock::now().wall, Box::new(Notice::Restarted(PluginName::new(plugin).unwrap())))
}

async fn next(followed: &mut Followed) -> String {
    followed.lines.as_mut().unwrap().next().await.unwrap().to_string()
}

#[test]
fn a_follower_sees_what_it_wants_from_memory_and_from_now_on() {
    block_on(async {
        let followers = Followers::start().unwrap();
        for plugin in ["a", "b", "a"] {
            followers.tell(&notice(plugin));
        }
        let of_a = Follow { plugins: vec!["a".into()], last: Some(1), ..Follow::default() };
        let mut followed = followers.follow(&of_a, true).await.unwrap();
        assert_eq!(followed.kept.len(), 1);
        assert!(followed.kept[0].contains(r#""plugin":"a""#) && followed.kept[0].ends_with("}\n"));
        assert!(followed.following.oldest.is_some() && !followed.following.forgotten);
        followers.tell(&notice("b"));
        followers.tell(&notice("a"));
        assert!(next(&mut followed).await.contains(r#""plugin":"a""#));

        let kept = Follow { kept_only: true, ..Follow::default() };
        let kept = followers.follow(&kept, true).await.unwrap();
        assert_eq!((kept.kept.len(), kept.lines.is_none()), (5, true));
        let since = Follow { since_ms: Some(u64::MAX / 2_000_000), ..Follow::default() };
        assert!(followers.follow(&since, true).await.unwrap().kept.is_empty());
    });
}

#[test]
fn a_follower_that_does_not_read_holds_nobody_and_hears_what_it_missed() {
    block_on(async {
        let followers = Followers::start().unwrap();
        let mut slow = followers.follow(&Follow::default(), true).await.unwrap();
        let one = {
            followers.tell(&notice("a"));
            next(&mut slow).await.len()
        };
        let told = QUEUE_BYTES_MAX / one * 2;
        for _ in 0..told {
            // The thread takes them as they come; only then none is lost before it.
            while followers.shared.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES_MAX / 2 {
                tokio::task::yield_now().await;
            }
            followers.tell(&notice("a"));
        }
        // A second follower shows that the thread has seen them all.
        let mut second = followers.follow(&Follow::default(), true).await.unwrap();
        followers.tell(&notice("b"));
        assert!(next(&mut second).await.contains(r#""plugin":"b""#));

        let (mut lines, mut lost) = (0, 0);
        while lines + lost < told + 1 {
            let line: serde_json::Value = serde_json::from_str(&next(&mut slow).await).unwrap();
            match line["notice"].as_str() {
                Some("records-lost") => lost += usize::try_from(line["lost"].as_u64().unwrap()).unwrap(),
                _ => lines += 1,
            }
        }
        assert!(lost > told / 3 && lines + lost == told + 1, "{lost} of {told}");
        assert_eq!(followers.lost(), lost as u64);
    });
}

#[test]
fn who_has_gone_misses_nothing() {
    block_on(async {
        let followers = Followers::start().unwrap();
        drop(followers.follow(&Follow::default(), true).await.unwrap());
        followers.tell(&notice("a"));
        let mut last = followers.follow(&Follow { last: Some(1), ..Follow::default() }, true).await.unwrap();
        assert_eq!(last.kept.len(), 1);
        followers.tell(&notice("b"));
        assert!(next(&mut last).await.contains(r#""plugin":"b""#));
        assert_eq!(followers.lost(), 0);
    });
}

#[test]
fn places_are_limited_and_some_are_for_root() {
    block_on(async {
        let followers = Followers::start().unwrap();
        let follow = Follow { flows: true, ..Follow::default() };
        let mut all = Vec::new();
        for _ in 0..CROWD_MAX {
            all.push(followers.follow(&follow, false).await.unwrap());
        }
        let refused = followers.follow(&follow, false).await.unwrap_err();
        assert_eq!(refused, format!("{CROWD_MAX} clients follow already; end one of them"));
        for _ in CROWD_MAX..FOLLOWERS_MAX {
            all.push(followers.follow(&follow, true).await.unwrap());
        }
        assert!(followers.follow(&follow, true).await.is_err());
        assert!(followers.want_flows() && followers.number() == FOLLOWERS_MAX);
        drop(all);
        assert!(!followers.want_flows() && followers.number() == 0);
        assert!(followers.follow(&follow, false).await.is_ok());
        let wrong = Follow { kinds: vec!["x".into()], ..Follow::default() };
        assert!(followers.follow(&wrong, true).await.unwrap_err().starts_with("\"x\" is no kind"));
    });
}

#[test]
fn the_end_of_the_daemon_ends_every_queue() {
    block_on(async {
        let followers = Followers::start().unwrap();
        let mut followed = followers.follow(&Follow::default(), true).await.unwrap();
        followers.tell(&notice("a"));
        let _ = followers.orders.send(Order::Stop);
        assert!(next(&mut followed).await.contains(r#""plugin":"a""#));
        assert!(followed.lines.as_mut().unwrap().next().await.is_none());
        assert!(followers.follow(&Follow::default(), true).await.is_err());
    });
}
