//! Writes of ours, writes elsewhere, words, gaps and questions in every order that chance brings about, held against the
//! truth: what is known to be over is never answered with a yes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::task::yield_now;

use super::scene::{Scene, add, at, claims, new_session, word};
use super::*;
use crate::gate::time::Timestamp;
use crate::gate::user::SessionId;
use crate::store::UserChange;

const USERS: usize = 3;
const ACTORS: usize = 6;

/// Decisions, taken from what proptest made up, so that it can find the shortest order that goes wrong.
struct Dice {
    rolls: Vec<u8>,
    next: AtomicUsize,
}

impl Dice {
    fn roll(&self, sides: usize) -> usize {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.rolls.get(next).map_or(0, |roll| usize::from(*roll) % sides)
    }

    fn are_used_up(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.rolls.len()
    }
}

/// What is known outside, at a moment, of what is over.
#[derive(Default)]
struct Truth {
    /// Sessions that were opened, by user, with the version their tokens bear.
    opened: RefCell<Vec<(usize, SessionId, u64)>>,
    /// Sessions whose end was acknowledged by us, or heard of from elsewhere.
    over: RefCell<HashSet<SessionId>>,
    /// What a word from elsewhere ends, when it is heard.
    ends: RefCell<HashMap<Subject, Vec<SessionId>>>,
    /// How many words of the store's feed have been heard.
    heard: Cell<usize>,
    yes: Cell<usize>,
}

struct Stage {
    scene: Scene,
    users: Vec<UserId>,
    dice: Arc<Dice>,
    truth: Truth,
}

impl Stage {
    async fn act(&self) {
        while !self.dice.are_used_up() {
            match self.dice.roll(16) {
                0..4 => self.open_here().await,
                4..6 => self.end_here().await,
                6 => self.end_elsewhere().await,
                7 => self.all_over_elsewhere().await,
                8..10 => self.hear(),
                _ => self.question().await,
            }
            yield_now().await;
        }
    }

    async fn open_here(&self) {
        let user = self.dice.roll(USERS);
        let session = new_session(self.users[user]);
        let version = self.scene.store.user(session.user).await.unwrap().unwrap().token_version;
        let write = self.scene.store.open_session(session.clone(), version, 100);
        if self.scene.live.write(session.user, at(1100), write).await.unwrap().is_some() {
            self.truth.opened.borrow_mut().push((user, session.id, version));
        }
    }

    async fn end_here(&self) {
        let Some((user, session, _)) = self.any() else { return };
        let write = self.scene.store.end_session(self.users[user], session, Timestamp::default());
        self.scene.live.write(self.users[user], at(1100), write).await.unwrap();
        self.truth.over.borrow_mut().insert(session);
    }

    async fn end_elsewhere(&self) {
        let Some((user, session, _)) = self.any() else { return };
        let id = self.users[user];
        let pause = self.scene.store.pause.lock().unwrap().take();
        let ended = self.scene.store.end_session(id, session, Timestamp::default()).await.unwrap();
        *self.scene.store.pause.lock().unwrap() = pause;
        if let Some(after) = ended {
            self.truth.ends.borrow_mut().insert(Subject::User(id, after.epoch), vec![session]);
        }
    }

    async fn all_over_elsewhere(&self) {
        let user = self.dice.roll(USERS);
        let id = self.users[user];
        let pause = self.scene.store.pause.lock().unwrap().take();
        let before = self.scene.store.user(id).await.unwrap().unwrap().sessions;
        let after = self.scene.store.change_user(id, UserChange::EndSessions, Timestamp::default()).await.unwrap();
        *self.scene.store.pause.lock().unwrap() = pause;
        let ended = before.into_iter().map(|session| session.id).collect();
        self.truth.ends.borrow_mut().insert(Subject::User(id, after.unwrap().epoch), ended);
    }

    /// The next word of the feed; now and then a gap in it, instead of all that is left.
    fn hear(&self) {
        let unheard = self.scene.store.feed.lock().unwrap()[self.truth.heard.get()..].to_vec();
        let heard = if self.dice.roll(8) == 0 {
            self.scene.live.obey(&Changes { gap: true, ..Changes::default() }, at(1100));
            &unheard[..]
        } else {
            let next = &unheard[..unheard.len().min(1)];
            next.iter().for_each(|event| self.scene.live.obey(&word(event.subject), at(1100)));
            next
        };
        self.truth.heard.set(self.truth.heard.get() + heard.len());
        let mut ends = self.truth.ends.borrow_mut();
        self.truth.over.borrow_mut().extend(heard.iter().filter_map(|event| ends.remove(&event.subject)).flatten());
    }

    async fn question(&self) {
        let Some((user, session, version)) = self.any() else { return };
        let over = self.truth.over.borrow().contains(&session);
        let claims = claims(self.users[user], session, version);
        let answer = self.scene.live.recognise(&claims, at(1100)).await;
        assert!(answer.is_err() || !over, "{session} was over before it was asked about");
        self.truth.yes.set(self.truth.yes.get() + usize::from(answer.is_ok()));
    }

    /// One of the youngest sessions.
    fn any(&self) -> Option<(usize, SessionId, u64)> {
        let opened = self.truth.opened.borrow();
        let back = 1 + self.dice.roll(opened.len().clamp(1, 6));
        opened.len().checked_sub(back).map(|place| opened[place])
    }
}

/// Plays one order of events; returns how often the answer was yes.
async fn play(rolls: Vec<u8>, capacity: u64) -> usize {
    let trust = Trust { capacity, ttl: Duration::from_secs(3600), max_stale: Duration::from_secs(3600) };
    let scene = Scene::set(trust).await;
    let mut users = Vec::new();
    for n in 0..USERS {
        users.push(add(&scene.store, &format!("u{n}@example.com")).await);
    }
    let dice = Arc::new(Dice { rolls, next: AtomicUsize::new(0) });
    let slow = Arc::clone(&dice);
    *scene.store.pause.lock().unwrap() = Some(Arc::new(move || {
        let turns = slow.roll(12);
        Box::pin(async move {
            for _ in 0..turns {
                yield_now().await;
            }
        })
    }));
    let stage = Stage { scene, users, dice, truth: Truth::default() };
    join_all((0..ACTORS).map(|_| stage.act())).await;
    assert!(!stage.scene.live.doubts_store(), "no order of events makes a good store look like an older one");
    stage.truth.yes.get()
}

fn run(rolls: Vec<u8>, capacity: u64) -> usize {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(rolls, capacity))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_known_to_be_over_is_never_recognised(rolls in prop::collection::vec(any::<u8>(), 50..1500), room in 1u64..4) {
        // Room for one user: everything that can be evicted is. Room for more: nothing is.
        run(rolls, if room == 1 { 1 } else { 100 });
    }
}

#[test]
fn the_plays_above_are_not_all_refusals() {
    let rolls: Vec<u8> = (0..2000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(run(rolls, 100) > 20);
}

/// Many tasks on the same few users, on real threads: each knows of its own sessions what must be answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_find_no_gap_either() {
    let trust = Trust { capacity: 2, ttl: Duration::from_secs(3600), max_stale: Duration::from_secs(3600) };
    let scene = Arc::new(Scene::set(trust).await);
    let mut users = Vec::new();
    for n in 0..USERS {
        users.push(add(&scene.store, &format!("u{n}@example.com")).await);
    }
    let heard = Arc::new(Mutex::new(0));
    let tasks = (0..8).map(|task| {
        let (scene, heard, user) = (Arc::clone(&scene), Arc::clone(&heard), users[task % USERS]);
        tokio::spawn(async move {
            for round in 0..400 {
                let session = new_session(user);
                let claims = claims(user, session.id, 0);
                let open = scene.store.open_session(session.clone(), 0, 100);
                scene.live.write(user, at(1100), open).await.unwrap().unwrap();
                assert!(scene.live.recognise(&claims, at(1100)).await.is_ok(), "opened here");
                let end = scene.store.end_session(user, session.id, Timestamp::default());
                if round % 2 == 0 {
                    scene.live.write(user, at(1100), end).await.unwrap().unwrap();
                } else {
                    end.await.unwrap().unwrap();
                    let mut heard = heard.lock().unwrap();
                    let unheard = scene.store.feed.lock().unwrap()[*heard..].to_vec();
                    unheard.iter().for_each(|event| scene.live.obey(&word(event.subject), at(1100)));
                    *heard += unheard.len();
                }
                assert!(scene.live.recognise(&claims, at(1100)).await.is_err(), "over, here or heard of");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
