//! A component that is kept, asked for again: by one thread and by two, with and without options; and one that is made.
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use resilient::factory::{Asked, BoxError, Factory};
use resilient_benches::{allocations, harness};

/// What a kept component may take, in nanoseconds.
const TARGET: f64 = 100.0;

/// As options are: a few small fields.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Options {
    format: Format,
    level: Option<u8>,
    is_compact: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    Json,
    Cbor,
}

const OPTIONS: Options = Options { format: Format::Json, level: Some(6), is_compact: true };

static PLAIN: LazyLock<Factory<u64>> = LazyLock::new(|| {
    let factory =
        Factory::<u64, _, _>::builder("bench.plain").register("number", |_: Asked| Ok::<_, BoxError>(1));
    factory.build().expect("the defaults are right")
});

static WITH_OPTIONS: LazyLock<Factory<u64, (), Options>> = LazyLock::new(|| {
    let constructor =
        |asked: Asked<(), Options>| Ok::<_, BoxError>(u64::from(asked.options.level.unwrap_or(0)));
    let factory = Factory::<u64, _, _>::builder("bench.options").register("serializer", constructor);
    factory.build().expect("the defaults are right")
});

/// What nobody who is handed a component can do without.
static COMPONENT: LazyLock<Arc<u64>> = LazyLock::new(|| Arc::new(1));

static FULL: LazyLock<Factory<u64, (), Options>> = LazyLock::new(|| {
    let names = (0..128).map(|number| format!("serializer-{number:03}"));
    let factory = Factory::<u64, _, Options>::builder("bench.full").build().expect("the defaults are right");
    for name in names {
        factory.register(name.as_str(), |_| Ok::<_, BoxError>(1)).expect("it is new");
        for format in [Format::Json, Format::Cbor] {
            let _ = factory.create_blocking(&name, &Options { format, ..OPTIONS });
        }
    }
    factory
});

/// Where it stands, as `.await` does: to be moved would cost it as much again.
fn ready<F: Future>(future: Pin<&mut F>) -> F::Output {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it waits for nothing"),
    }
}

struct Path {
    name: &'static str,
    run: fn(u32),
    is_kept: bool,
}

macro_rules! path {
    ($name:literal, $is_kept:literal, $call:expr) => {
        Path {
            name: $name,
            run: |calls| {
                for _ in 0..calls {
                    let _ = black_box($call);
                }
            },
            is_kept: $is_kept,
        }
    };
}

const PATHS: [Path; 6] = [
    path!("an Arc copied and dropped, by hand", false, Arc::clone(&COMPONENT)),
    path!("kept, no options", true, PLAIN.create_blocking(black_box("number"), &())),
    path!(
        "kept, three options",
        true,
        WITH_OPTIONS.create_blocking(black_box("serializer"), black_box(&OPTIONS))
    ),
    path!(
        "kept, three options, async",
        true,
        ready(pin!(WITH_OPTIONS.create(black_box("serializer"), black_box(&OPTIONS))))
    ),
    path!(
        "kept, one of 128",
        true,
        FULL.create_blocking(
            black_box("serializer-127"),
            black_box(&Options { format: Format::Cbor, ..OPTIONS })
        )
    ),
    path!("made anew", false, WITH_OPTIONS.build_blocking(black_box("serializer"), black_box(&OPTIONS))),
];

fn main() -> ExitCode {
    let figures = harness::alone(&PATHS.each_ref().map(|path| &path.run as harness::Run<'_>));
    let mut missed = Vec::new();
    println!("future of create: {} bytes\n", size_of_val(&WITH_OPTIONS.create("serializer", &OPTIONS)));
    println!("| path | min ns | median ns | quiet batches | by two threads, median ns | allocations |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (Path { name, run, is_kept }, figures) in PATHS.iter().zip(figures) {
        // Before another thread runs, which gives its places back when it has ended.
        let allocations = allocations::per_call(run);
        let beside =
            harness::beside_another(run).map_or_else(String::new, |beside| format!("{:.1}", beside.median));
        let harness::Figures { min, median, quiet } = figures;
        println!("| {name} | {min:.1} | {median:.1} | {quiet:.0} % | {beside} | {allocations} |");
        if *is_kept && (min >= TARGET || allocations > 0.0) {
            missed.push(*name);
        }
    }
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("takes {TARGET} ns or allocates: {}", missed.join(", "));
    ExitCode::FAILURE
}
