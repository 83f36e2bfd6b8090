#![deny(warnings)]

use resilient::{resilient, retry_with_backoff};

mod inner {
    #[resilient::resilient]
    pub(in crate::inner) fn hidden() -> std::io::Result<u32> {
        Ok(1)
    }

    pub(crate) fn shown() -> std::io::Result<u32> {
        hidden()
    }
}

#[retry_with_backoff]
extern "C" fn foreign(order: u32) -> u32 {
    order
}

/// # Safety
///
/// None needed.
#[resilient]
unsafe fn careful(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

#[resilient]
fn r#match(r#type: u32) -> std::io::Result<u32> {
    Ok(r#type)
}

struct Client;

impl Client {
    #[resilient]
    fn associated(order: u32) -> std::io::Result<u32> {
        Ok(order)
    }

    #[resilient]
    async fn built(order: u32) -> std::io::Result<Self> {
        assert_eq!(order, 1);
        Ok(Self)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(inner::shown().unwrap() + foreign(1) + r#match(1).unwrap(), 3);
    // SAFETY: `careful` asks for nothing.
    assert_eq!(unsafe { careful(1) }.unwrap(), 1);
    assert_eq!(Client::associated(1).unwrap(), 1);
    drop(Client::built(1).await.unwrap());
}
