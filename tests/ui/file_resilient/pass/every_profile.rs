use resilient::{
    api_resilient, cache_resilient, database_resilient, file_resilient, ml_resilient, resilient,
};

macro_rules! profiles {
    ($($attribute:ident as $name:ident)*) => {$(
        #[$attribute]
        async fn $name(id: u32) -> std::io::Result<u32> {
            Ok(id)
        }
    )*};
}

profiles! {
    api_resilient as api
    cache_resilient as cache
    database_resilient as database
    file_resilient as file
    ml_resilient as ml
    resilient as plain
}

#[resilient(operation_type = "payments", operation_name = "payments:charge.v1")]
fn charge(id: u32) -> std::io::Result<u32> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let all = [
        api(1).await,
        cache(1).await,
        database(1).await,
        file(1).await,
        ml(1).await,
        plain(1).await,
        charge(1),
    ];
    assert_eq!(all.into_iter().sum::<std::io::Result<u32>>().unwrap(), 7);
    assert_eq!(resilient::operations().len(), 7);
}
