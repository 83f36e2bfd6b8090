#![deny(warnings)]

use resilient::resilient;

/// Charges.
///
/// # Errors
///
/// Never.
#[must_use]
#[inline]
#[cfg(not(any()))]
#[resilient]
pub async fn charge(#[cfg(any())] missing: Missing, #[cfg(not(any()))] order: u32) -> std::io::Result<u32> {
    #![allow(unused_variables)]
    let unused = 1;
    #[allow(unused_mut)]
    let mut order = order;
    Ok(order)
}

#[resilient]
#[deprecated]
#[allow(unused_variables, clippy::unused_async)]
#[cold]
async fn refund(order: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(any())]
#[resilient(no_such_key)]
fn missing() {}

#[tokio::main(flavor = "current_thread")]
#[allow(deprecated)]
async fn main() {
    assert_eq!(charge(1).await.unwrap(), 1);
    refund(1).await.unwrap();
}
