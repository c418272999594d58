//! Connections to the target: what was written, when its first byte left, what came back.
//!
//! HTTP/1.1 over hyper's connection API and `WebSocket`s over tungstenite, both over a [`Link`] that
//! counts and times what is written. Nothing here retries a request of which one byte was
//! written, follows a redirect or knows what a chat turn is.

mod body;
mod dial;
#[cfg(test)]
pub(crate) mod fake;
mod http;
mod pool;
mod socket;
mod tap;
#[cfg(test)]
mod tests;

pub use body::OutBody;
pub use dial::{DialError, Dialer, Endpoint, EndpointError, connections_max};
pub use http::{Exchange, Fault, HttpClient, Manner, Seat};
pub use pool::Lane;
pub use socket::{OpenError, Socket, Text};
pub use tap::{Link, Tap};
