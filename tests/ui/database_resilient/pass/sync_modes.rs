use resilient::{Deadline, database_resilient};
use std::thread;

#[database_resilient(timeout = 5)]
fn on_a_thread(caller: thread::ThreadId) -> std::io::Result<bool> {
    Ok(thread::current().id() != caller)
}

#[database_resilient]
fn in_place(caller: &thread::ThreadId) -> std::io::Result<bool> {
    Ok(thread::current().id() == *caller && Deadline::current().is_some())
}

#[database_resilient(timeout = 5, timeout_mode = "deadline")]
fn asked_to_stay(caller: &thread::ThreadId) -> std::io::Result<bool> {
    Ok(thread::current().id() == *caller)
}

#[database_resilient(timeout_mode = "thread", enable_retry = false)]
fn asked_to_go(caller: thread::ThreadId, rule: Box<dyn Fn() -> bool + Send>) -> std::io::Result<bool> {
    Ok(rule() && thread::current().id() != caller)
}

fn main() {
    let id = thread::current().id();
    assert!(on_a_thread(id).unwrap());
    assert!(in_place(&id).unwrap());
    assert!(asked_to_stay(&id).unwrap());
    assert!(asked_to_go(id, Box::new(|| true)).unwrap());
}
