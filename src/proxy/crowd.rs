//! How many connections each address has: one address must not take every place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Never holds more addresses than there are connections.
#[derive(Debug, Default)]
pub struct Crowd {
    present: Mutex<HashMap<IpAddr, usize>>,
}

/// A place among the connections of one address, given back when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// `None`: this address has `at_most` connections already.
    pub fn admit(self: &Arc<Self>, address: IpAddr, at_most: usize) -> Option<Place> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.get(&address).copied().unwrap_or(0);
        if count >= at_most {
            return None;
        }
        present.insert(address, count + 1);
        Some(Place { crowd: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present.lock().unwrap_or_else(PoisonError::into_inner);
        match present.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(present.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let crowd = Arc::new(Crowd::default());
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let first = crowd.admit(one, 2).unwrap();
        let _second = crowd.admit(one, 2).unwrap();
        assert!(crowd.admit(one, 2).is_none());
        assert!(crowd.admit(two, 2).is_some());
        drop(first);
        let again = crowd.admit(one, 2);
        assert!(again.is_some() && crowd.admit(one, 2).is_none());
        drop((again, _second));
        assert!(crowd.present.lock().unwrap().is_empty(), "who is gone is forgotten");
    }
}
