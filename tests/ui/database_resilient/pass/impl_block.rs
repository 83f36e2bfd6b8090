#![deny(warnings)]

use std::sync::Mutex;

use resilient::{api_resilient, database_resilient, resilient};

pub struct Users<T> {
    all: Mutex<Vec<T>>,
}

#[database_resilient(base_delay = "1ms", ignore = resilient::ResilienceError::Isolated { .. })]
impl<T: Clone + Send> Users<T> {
    pub const MOST: usize = 3;

    #[must_use]
    pub const fn new() -> Self {
        Self { all: Mutex::new(Vec::new()) }
    }

    /// Adds one.
    #[resilient(clone(user))]
    pub async fn add(&self, user: T) -> Result<usize, resilient::ResilienceError> {
        let mut all = self.all.lock().unwrap();
        all.push(user);
        Ok(all.len())
    }

    #[api_resilient(enable_timeout = false)]
    pub fn first<'a>(all: &'a [T]) -> Result<Option<&'a T>, resilient::ResilienceError> {
        Ok(all.first())
    }

    #[resilient(skip)]
    pub fn clear(&mut self) -> Result<(), resilient::ResilienceError> {
        self.all.get_mut().unwrap().clear();
        Ok(())
    }

    #[cfg(any())]
    pub fn missing(&self) -> Result<(), NoSuchError> {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut users = Users::new();
    assert_eq!(users.add("a").await.unwrap(), 1);
    assert_eq!(Users::first(&["a"]).unwrap(), Some(&"a"));
    users.clear().unwrap();
    assert_eq!(users.all.lock().unwrap().len() + Users::<u8>::MOST, 3);
    fn inside_a_function() -> std::io::Result<u8> {
        struct Local;

        #[database_resilient]
        impl Local {
            fn answer(self) -> std::io::Result<u8> {
                Ok(1)
            }
        }
        Local.answer()
    }
    assert_eq!(inside_a_function().unwrap(), 1);
}
