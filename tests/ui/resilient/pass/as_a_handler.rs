use resilient::resilient;

struct Json<T>(T);

trait IntoAnswer {
    fn into_answer(self) -> String;
}

impl<T: ToString, E: ToString> IntoAnswer for Result<Json<T>, E> {
    fn into_answer(self) -> String {
        self.map_or_else(|error| error.to_string(), |Json(value)| value.to_string())
    }
}

async fn serve<F, Fut, T>(handler: F, argument: T) -> String
where
    F: FnOnce(T) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoAnswer> + Send + 'static,
    T: Send + 'static,
{
    handler.clone()(argument).await.into_answer()
}

#[resilient]
async fn charge(Json(order): Json<u32>) -> std::io::Result<Json<u32>> {
    tokio::task::yield_now().await;
    Ok(Json(order + 1))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(serve(charge, Json(1)).await, "2");
}
