use resilient::resilient;

#[resilient(base_delay = "1ms")]
async fn fill(buffer: &mut Vec<u32>, count: &mut u32) -> std::io::Result<usize> {
    *count += 1;
    buffer.push(*count);
    if *count < 3 { Err(std::io::Error::other("short")) } else { Ok(buffer.len()) }
}

#[resilient]
fn fill_slice(buffer: &mut [u8], seen: &mut dyn FnMut(u8)) -> std::io::Result<()> {
    buffer.fill(1);
    seen(buffer[0]);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut buffer, mut count) = (Vec::new(), 0);
    assert_eq!(fill(&mut buffer, &mut count).await.unwrap(), 3);
    let mut sum = 0;
    fill_slice(&mut [0; 2], &mut |byte| sum += u32::from(byte)).unwrap();
    assert_eq!(sum, 1);
}
