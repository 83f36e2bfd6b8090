//! Ten thousand messages, each with a serializer from factories that fail: none is lost, and none is in a format that nobody
//! asked for.
//!
//! `cargo run --example serializer_failover` breaks the primary factory, then the backup too, then heals both. It takes
//! a few seconds, and ends with an error unless every message has arrived as it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use resilient::factory::serializers::{
    Compression, Envelope, Format, Limits, Serializer, SerializerFactory, SerializerOptions,
    SerializerRegistry, builder,
};
use resilient::factory::{FactoryError, HealthRules, Made};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

const MESSAGES: usize = 10_000;

/// What happens, and before which message.
const SCRIPT: &[(usize, &str, [bool; 2])] = &[
    (0, "both factories work", [true, true]),
    (2_000, "the primary breaks", [false, true]),
    (5_000, "the backup breaks too", [false, false]),
    (6_000, "both are repaired", [true, true]),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let works = [Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true))];
    let registry = SerializerRegistry::builder()
        .register(factory("primary", &works[0])?, 1.0)
        .register(factory("backup", &works[1])?, 0.8)
        .emergency(|| builder("emergency").capacity(0).build())
        .build()?;
    let wanted = [
        SerializerOptions::from(Format::Json),
        SerializerOptions::from(Format::MessagePack),
        SerializerOptions::from(Format::Json).compressed(Compression::Gzip),
        SerializerOptions::from(Format::MessagePack).compressed(Compression::Gzip).level(9),
    ];

    let bar = ProgressBar::new(MESSAGES as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos:>6} of {len} messages")?);
    let (sender, receiver) = mpsc::channel(100);
    let receiving = tokio::spawn(receive(receiver));
    for number in 0..MESSAGES {
        if let Some((_, what, now)) = SCRIPT.iter().find(|(from, ..)| *from == number) {
            for (works, now) in works.iter().zip(now) {
                works.store(*now, Ordering::Relaxed);
            }
            say(&bar, &format!("{number:>6}  {what}"));
        }
        let options = wanted[number % wanted.len()];
        let serializer = registry.create(options.format().name(), &options).await?.requested()?;
        let message = json!({ "number": number, "text": "a price, a fill, or whatever there is to say" });
        sender.send((options, serializer.seal(&message)?)).await?;
        bar.inc(1);
        if number % 100 == 99 {
            // A moment for the health of factories, which is a matter of time.
            sleep(Duration::from_millis(15)).await;
        }
    }
    drop(sender);
    bar.finish_and_clear();

    let (arrived, as_asked) = receiving.await??;
    show(&registry);
    println!(
        "{arrived} of {MESSAGES} messages have arrived, {as_asked} of them in the format that was asked for"
    );
    ensure!(arrived == MESSAGES && as_asked == MESSAGES, "a message was lost, or changed its format");

    let status = registry.status();
    let [primary, backup, emergency] = ["primary", "backup", "emergency"]
        .map(|id| status.factories.get(id).map_or(0, |told| told.success_count));
    ensure!(primary > 0 && backup > 0 && emergency > 0, "each factory was needed once");
    ensure!(primary + backup + emergency == MESSAGES as u64, "each message took one serializer");
    ensure!(status.total_factories == status.healthy_factories, "all are well again");
    another_format_is_never_a_surprise(&works).await
}

/// Makes each serializer anew, so that a factory which breaks is noticed at the next message.
fn factory(id: &str, works: &Arc<AtomicBool>) -> Result<SerializerFactory, FactoryError> {
    // Minutes, in a service.
    let rules = HealthRules::new().window("200ms").recovery_timeout("100ms");
    let factory = builder(id).capacity(0).max_attempts(1).health(rules).build()?;
    for format in [Format::Json, Format::MessagePack] {
        let works = Arc::clone(works);
        factory.replace(format.name(), move |asked| {
            if works.load(Ordering::Relaxed) {
                Serializer::new(asked.options).map_err(anyhow::Error::from)
            } else {
                Err(anyhow::anyhow!("the library does not load"))
            }
        })?;
    }
    Ok(factory)
}

/// How many messages have arrived, and how many of them in the format that their sender asked for.
async fn receive(
    mut messages: mpsc::Receiver<(SerializerOptions, Vec<u8>)>,
) -> anyhow::Result<(usize, usize)> {
    let (mut arrived, mut as_asked) = (0, 0);
    while let Some((asked, bytes)) = messages.recv().await {
        let envelope = Envelope::read(&bytes, Limits::default())?;
        let message: Value = envelope.open(Limits::default())?;
        ensure!(message["number"] == arrived, "message {arrived} was lost");
        arrived += 1;
        if (envelope.format(), envelope.compression()) == (asked.format(), asked.compression()) {
            as_asked += 1;
        }
    }
    Ok((arrived, as_asked))
}

fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { println!("{line}") } else { bar.println(line) }
}

fn show(registry: &SerializerRegistry) {
    println!("\n{:<12}{:>8}{:>10}{:>9}{:>11}", "factory", "weight", "made", "errors", "now");
    for (id, told) in registry.status().factories {
        let (made, now) = (told.success_count, told.health_state.to_string());
        println!("{id:<12}{:>8}{made:>10}{:>9}{now:>11}", told.weight, told.error_count);
    }
    println!();
}

/// What a strict registry, and one that may fall back, say of a format that cannot be made.
async fn another_format_is_never_a_surprise(works: &[Arc<AtomicBool>; 2]) -> anyhow::Result<()> {
    let broken = factory("broken", &works[0])?;
    broken.replace("msgpack", |_| Err::<Serializer, _>("the library does not load"))?;
    let msgpack = Format::MessagePack.into();

    let strict = SerializerRegistry::builder().register(broken.clone(), 1.0).build()?;
    let error = strict.create("msgpack", &msgpack).await.err().context("it cannot be made")?;
    println!("strict:  {error}");

    let lenient = SerializerRegistry::builder()
        .register(broken, 1.0)
        .or_else_made_with("json", |wanted| wanted.in_format(Format::Json))
        .build()?;
    let made = lenient.create("msgpack", &msgpack).await?;
    ensure!(made.is_fallback(), "it cannot be made");
    if let Made::Fallback { made, wanted, .. } = made {
        println!("lenient: {} in place of {wanted}, and the type says so", made.name());
    }
    Ok(())
}
