//! The shop: what it asks others for, and what it answers when they are away.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use resilient::sqlx;
use resilient::web::refusal;
use resilient::{
    DatabaseClient, DatabaseError, HttpClient, HttpError, RedisClient, RedisError, ResilienceError, S3Client,
};
use serde::{Deserialize, Serialize};

use crate::upstream::Upstream;

/// How long a price is believed.
const FRESH: &str = "2s";
const RECEIPTS: &str = "receipts";

#[derive(Clone)]
pub(crate) struct Shop {
    prices: HttpClient,
    cache: RedisClient,
    orders: DatabaseClient,
    /// Only where a variable says where they are kept.
    receipts: Option<S3Client>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error("item {0} has no price")]
    NoPrice(u64),
    #[error("{0}")]
    Refused(#[from] ResilienceError),
    #[error("{0}")]
    Prices(#[from] HttpError),
    #[error("{0}")]
    Cache(#[from] RedisError),
    #[error("{0}")]
    Orders(#[from] DatabaseError),
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        if let Self::NoPrice(_) = self {
            return (StatusCode::NOT_FOUND, self.to_string()).into_response();
        }
        refusal(&self).unwrap_or_else(|| StatusCode::BAD_GATEWAY.into_response())
    }
}

#[derive(Serialize)]
struct Price {
    item: u64,
    cents: u64,
    /// `cache`, `upstream` or `last known`.
    from: &'static str,
}

#[derive(Deserialize)]
struct Order {
    item: u64,
    pieces: u32,
}

impl Shop {
    pub(crate) async fn open(upstream: &Upstream) -> anyhow::Result<Self> {
        let prices = HttpClient::builder(&*upstream.url).name("prices").build()?;
        let cache = resilient::redis_client()?;
        let orders = if std::env::var_os("PYNOMALY_DATABASE_URL").is_some() {
            resilient::database_client()?
        } else {
            let file = std::env::temp_dir().join("resilient-shop.db");
            DatabaseClient::builder().url(format!("sqlite:{}", file.display())).build()?
        };
        orders
            .session(async |mut session| {
                for table in [
                    "CREATE TABLE IF NOT EXISTS orders (item BIGINT NOT NULL, pieces BIGINT NOT NULL, cents BIGINT NOT NULL)",
                    "CREATE TABLE IF NOT EXISTS last_prices (item BIGINT PRIMARY KEY, cents BIGINT NOT NULL)",
                ] {
                    sqlx::query(table).execute(&mut session).await?;
                }
                Ok(())
            })
            .await?;
        let is_told = std::env::var_os("PYNOMALY_S3_ENDPOINT").is_some();
        let receipts = is_told.then(resilient::s3_client).transpose()?;
        Ok(Self { prices, cache, orders, receipts })
    }

    /// For the start of the program.
    pub(crate) fn depends_on(&self) -> String {
        let receipts = self.receipts.as_ref().map(|receipts| format!("\n               {receipts:?}"));
        format!("{:?}\n               {:?}{}", self.orders, self.cache, receipts.unwrap_or_default())
    }

    async fn price(&self, item: u64) -> Result<Price, ShopError> {
        let key = format!("price:{item}");
        if let Some(cents) = self.cache.get::<u64>(&key).await? {
            return Ok(Price { item, cents, from: "cache" });
        }
        let price = current_price(self, item).await?;
        if price.from == "upstream" {
            self.cache.set_with_ttl(&key, price.cents, FRESH).await?;
        }
        Ok(price)
    }

    /// Its number, and whether there is a receipt. An order stands without one.
    async fn order(&self, order: &Order) -> Result<(i64, bool), ShopError> {
        let cents = self.price(order.item).await?.cents.cast_signed();
        let (item, pieces) = (order.item.cast_signed(), i64::from(order.pieces));
        let orders = self
            .orders
            .session(async |mut session| {
                sqlx::query("INSERT INTO orders (item, pieces, cents) VALUES ($1, $2, $3)")
                    .bind(item)
                    .bind(pieces)
                    .bind(cents)
                    .execute(&mut session)
                    .await?;
                Ok(sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&mut session).await?)
            })
            .await?;
        let Some(receipts) = &self.receipts else { return Ok((orders, false)) };
        let text = format!("{pieces} of item {item}: {cents} cents each");
        let kept = receipts.put_bytes(RECEIPTS, &format!("{orders}.txt"), text).await;
        Ok((orders, kept.is_ok()))
    }
}

/// What the upstream says, and is remembered; or, whatever is wrong with it, what it said last.
#[resilient::fallback(last_price)]
async fn current_price(shop: &Shop, item: u64) -> Result<Price, ShopError> {
    let cents: u64 = shop.prices.get(format!("/prices/{item}")).send().await?.json()?;
    let (id, known) = (item.cast_signed(), cents.cast_signed());
    shop.orders
        .session(async |mut session| {
            let statement = "INSERT INTO last_prices (item, cents) VALUES ($1, $2) ON CONFLICT (item) DO UPDATE SET cents = $2";
            sqlx::query(statement).bind(id).bind(known).execute(&mut session).await?;
            Ok(())
        })
        .await?;
    Ok(Price { item, cents, from: "upstream" })
}

async fn last_price(shop: &Shop, item: u64, error: ShopError) -> Result<Price, ShopError> {
    let id = item.cast_signed();
    let known: Option<i64> = shop
        .orders
        .read(async |mut session| {
            let statement = "SELECT cents FROM last_prices WHERE item = $1";
            Ok(sqlx::query_scalar(statement).bind(id).fetch_optional(&mut session).await?)
        })
        .await?;
    match known {
        Some(cents) => Ok(Price { item, cents: cents.cast_unsigned(), from: "last known" }),
        None => Err(error),
    }
}

pub(crate) fn routes(shop: Shop) -> Router {
    let price = async |State(shop): State<Shop>, Path(item): Path<u64>| match item {
        1..=1000 => shop.price(item).await.map(Json),
        _ => Err(ShopError::NoPrice(item)),
    };
    let order = async |State(shop): State<Shop>, Json(order): Json<Order>| {
        shop.order(&order).await.map(|(number, receipt)| {
            format!("order {number}, {}\n", if receipt { "with a receipt" } else { "without a receipt" })
        })
    };
    Router::new().route("/prices/{item}", get(price)).route("/orders", post(order)).with_state(shop)
}
