//! Calls that are dropped, aborted, panic or take too long, through every layer at once, by the hundred thousand:
//! afterwards every permit is back, the counts add up, and no task, timer or thread is left.

mod aborted;
mod blocking;
mod dropped;
mod ward;
