//! What a route demands of its caller, and the proof that it was met.

use super::role::Role;

/// A route's demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone. A valid token still tells the upstream who is calling.
    Public,
    /// Anyone who is signed in.
    User,
    /// Anyone who is signed in and has one of these.
    AnyRole(Box<[Role]>),
}
