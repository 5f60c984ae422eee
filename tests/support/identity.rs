//! The names of the identity headers, as a CGI, WSGI, PHP or Rack app sees them: folded.

/// Of the four configured by default, and of every preset.
pub const IDENTITY: [&str; 13] = [
    "x-user-id",
    "x-user-email",
    "x-user-roles",
    "x-session-id",
    "remote-user",
    "remote-email",
    "remote-groups",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
];
