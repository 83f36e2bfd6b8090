use resilient::resilient;

#[resilient]
async fn charge(orders: &[u32], limit: u32) -> std::io::Result<u32> {
    let Some(first) = orders.first() else {
        return Err(std::io::Error::other("empty"));
    };
    let found = 'outer: loop {
        for order in orders {
            if order == first {
                continue;
            }
            if *order > limit {
                break 'outer Some(*order);
            }
        }
        break None;
    };
    let parsed: u32 = "1".parse().map_err(std::io::Error::other)?;
    tokio::task::yield_now().await;
    let labelled = 'block: {
        if found.is_none() {
            break 'block 0;
        }
        parsed
    };
    if let Some(found) = found {
        return Ok(found + labelled);
    }
    Ok(0)
}

#[resilient]
fn refund(orders: &[&str]) -> std::io::Result<u32> {
    let mut sum = 0;
    for order in orders {
        if order.is_empty() {
            return Ok(sum);
        }
        sum += order.parse::<u32>().map_err(std::io::Error::other)?;
    }
    Ok(sum)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(&[1, 5], 2).await.unwrap(), 6);
    assert_eq!(refund(&["1", "2", "", "x"]).unwrap(), 3);
}
