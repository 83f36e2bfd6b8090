mod names {
    #![allow(non_snake_case, non_camel_case_types, dead_code)]

    use ::std::io::Error;
    use resilient::resilient;

    pub(crate) struct Ok;
    pub(crate) struct Some;
    pub(crate) struct Duration;
    pub(crate) type Option = u8;
    pub(crate) fn Err() {}
    pub(crate) fn drop() {}
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod resilient_runtime {}
    pub(crate) type Result = ::std::result::Result<u32, Error>;
    pub(crate) static SITE: u32 = 1;

    macro_rules! matches {
        () => {};
    }

    #[resilient(timeout = "5s", base_delay = 1, max_delay = 2)]
    pub(crate) async fn call(out: u32, ret: u32, refused: u32, delay: u32, typed: u32) -> Result {
        let (error, value) = (1, SITE);
        matches!();
        ::std::result::Result::Ok(out + ret + refused + delay + typed + error + value)
    }

    #[resilient(ignore = _, failure_if = |value| *value == 9, fallback = super::again)]
    pub(crate) fn out(call: u32, wanted: u32) -> Result {
        ::std::result::Result::Ok(call + wanted)
    }
}

fn again(_: u32, _: u32) -> std::io::Result<u32> {
    Ok(0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(names::call(1, 1, 1, 1, 1).await.unwrap(), 7);
    assert_eq!(names::out(1, 1).unwrap(), 2);
}
