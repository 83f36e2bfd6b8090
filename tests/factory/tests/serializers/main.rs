//! Every format and compression, both ways; what is refused, and how that is told.
mod claims;
mod options;
mod round_trips;
mod system;
mod values;
