//! Layer 5: who waits for what a partition will reach. Deadlines are the waiter's own: a request races its
//! wait against one sleep, so that an idle partition has no timers.

mod arrivals;
mod countdown;
mod offsets;
mod wakes;

pub use arrivals::{Arrivals, Signal};
pub use countdown::Countdown;
pub use offsets::Offsets;
pub use wakes::Wakes;
