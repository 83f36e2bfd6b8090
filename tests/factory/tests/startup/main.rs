//! Components by name: started with attempts and limits, many at once, and closed whatever happens.

mod cancellation;
mod closing;
mod deadline;
mod defects;
mod events;
mod health;
mod log;
mod many;
mod scenarios;
mod sharing;
mod summary;
mod toy;
