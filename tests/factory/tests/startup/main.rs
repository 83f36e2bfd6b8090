//! Components by name: started with attempts and limits, many at once, and closed whatever happens.

mod scenarios;
mod toy;
