//! Signing keys, and shared quotas.

use std::sync::Arc;
use std::time::Duration;

use portcullis::gate::limit::{self, Quota, Standing};
use portcullis::gate::secret::Secret;
use portcullis::store::{CounterKey, KeyPurpose, Store, StoredKey};

use super::NOW;

pub async fn gateways_that_start_together_agree_on_one_key(store: Arc<dyn Store>) {
    let key = |n: usize| StoredKey {
        kid: format!("k{n}"),
        purpose: KeyPurpose::Access,
        algorithm: "EdDSA".into(),
        private: Secret::new([7; 32]),
        created_at: NOW,
        signs_from: NOW,
    };
    let starts = (0..20).map(|n| {
        let (store, key) = (Arc::clone(&store), key(n));
        tokio::spawn(async move { store.add_key(key, true).await.unwrap() })
    });
    let mut added = 0;
    for start in starts.collect::<Vec<_>>() {
        added += usize::from(start.await.unwrap());
    }
    assert_eq!((added, store.keys().await.unwrap().len()), (1, 1));
    assert!(store.add_key(key(99), false).await.unwrap());
    assert!(store.add_key(StoredKey { purpose: KeyPurpose::Refresh, ..key(98) }, true).await.unwrap());
    assert!(store.remove_key("k99", NOW).await.unwrap() && !store.remove_key("k99", NOW).await.unwrap());
    let kept = store.keys().await.unwrap();
    assert!(kept.iter().all(|key| key.private == Secret::new([7; 32])) && kept.len() == 2);
}

fn counter(kind: &'static str) -> CounterKey {
    CounterKey { kind, value: "192.0.2.1".into() }
}

pub async fn places_are_taken_all_or_none(store: Arc<dyn Store>) {
    let wide = (counter("wide"), Quota::new(3, Duration::from_secs(60)).unwrap());
    let narrow = (counter("narrow"), Quota::new(1, Duration::from_secs(60)).unwrap());
    let both = [wide.clone(), narrow.clone()];
    let taken = store.take(&both, NOW).await.unwrap();
    assert!(matches!(taken[..], [Standing::Taken { .. }, Standing::Taken { .. }]));
    assert!(matches!(store.take(&both, NOW).await.unwrap()[1], Standing::Full { .. }));
    let alone = store.take(std::slice::from_ref(&wide), NOW).await.unwrap();
    assert!(matches!(alone[..], [Standing::Taken { .. }]));
    store.give_back(&[narrow], NOW).await.unwrap();
    let last = store.take(&both, NOW).await.unwrap();
    assert!(
        matches!(last[..], [Standing::Taken { .. }, Standing::Taken { .. }]),
        "the full one took none of the other's"
    );
    assert!(matches!(store.take(&[wide], NOW).await.unwrap()[..], [Standing::Full { .. }]));
}

pub async fn a_quota_holds_under_a_burst(store: Arc<dyn Store>) {
    let place = [(counter("burst"), Quota::new(10, Duration::from_secs(600)).unwrap())];
    let takes = (0..50).map(|_| {
        let (store, place) = (Arc::clone(&store), place.clone());
        tokio::spawn(async move { matches!(store.take(&place, NOW).await.unwrap()[0], Standing::Taken { .. }) })
    });
    let mut taken = 0;
    for take in takes.collect::<Vec<_>>() {
        taken += usize::from(take.await.unwrap());
    }
    assert_eq!(taken, 10);
}

/// The arithmetic is the gate's, wherever it is done: times go forward, back, and far back.
pub async fn shared_quotas_count_as_the_gate_does(store: Arc<dyn Store>) {
    let quotas = [(1, 60_000), (3, 1_000), (7, 60_001), (20, 900_000)];
    for (count, period) in quotas {
        let quota = Quota::new(count, Duration::from_millis(period)).unwrap();
        let place = (CounterKey { kind: "same", value: format!("{count}") }, quota);
        let (mut tat, mut now) = (0, NOW.plus(Duration::from_secs(100_000)));
        for step in 0..60_u64 {
            let micros = now.millis() * 1000;
            if step % 7 == 6 {
                store.give_back(std::slice::from_ref(&place), now).await.unwrap();
                tat = limit::give_back(tat, micros, quota);
            } else {
                let standing = limit::take(tat, micros, quota);
                assert_eq!(store.take(std::slice::from_ref(&place), now).await.unwrap(), [standing], "{count}, {step}");
                if let Standing::Taken { tat: kept } = standing {
                    tat = kept;
                }
            }
            now = match step % 11 {
                3 => now.plus(Duration::from_millis(period / u64::from(count))),
                5 => now.minus(Duration::from_millis(period / 3)),
                9 => now.plus(Duration::from_millis(period + 1)),
                10 if step > 50 => now.minus(Duration::from_secs(10_000)),
                _ => now.plus(Duration::from_millis(1)),
            };
        }
    }
}
