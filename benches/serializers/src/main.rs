//! Each format beside the bare crate behind it, in one run: a batch of records of about 10 KB, written and read.
use std::{env, hint::black_box};

use resilient::factory::serializers::{
    Compression, Format, JsonOptions, Serializer, SerializerOptions, open,
};
use resilient_benches::harness;
use serde::{Deserialize, Serialize};

/// What ours may take more than the bare crate.
const TARGET: f64 = 1.05;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    symbol: String,
    price: f64,
    amount: f64,
    at: i64,
    is_buy: bool,
    note: Option<String>,
    tags: Vec<String>,
}

fn records() -> Vec<Record> {
    (0..80_u32)
        .map(|number| Record {
            id: 1_000_000 + u64::from(number),
            symbol: format!("BTC{number}/USDT"),
            price: 64_000.25 + f64::from(number) * 0.125,
            amount: f64::from(number % 7) + 0.5,
            at: 1_700_000_000_000 + i64::from(number) * 250,
            is_buy: number % 3 == 0,
            note: (number % 5 == 0).then(|| "partially filled".to_owned()),
            tags: vec!["spot".to_owned(), format!("venue-{}", number % 4)],
        })
        .collect()
}

type Write = fn(&[Record]) -> Vec<u8>;
type Read = fn(&[u8]) -> Vec<Record>;

/// What the bare crate's own manual says.
fn bare(format: Format) -> Option<(Write, Read)> {
    match format {
        Format::Json => Some((
            |records| serde_json::to_vec(records).expect("is written"),
            |bytes| serde_json::from_slice(bytes).expect("is read"),
        )),
        Format::MessagePack => Some((
            |records| rmp_serde::to_vec_named(records).expect("is written"),
            |bytes| rmp_serde::from_slice(bytes).expect("is read"),
        )),
        Format::Cbor => Some((
            |records| {
                let mut out = Vec::new();
                ciborium::into_writer(records, &mut out).expect("is written");
                out
            },
            |bytes| ciborium::from_reader(bytes).expect("is read"),
        )),
        Format::Binary => Some((
            |records| postcard::to_allocvec(records).expect("is written"),
            |bytes| postcard::from_bytes(bytes).expect("is read"),
        )),
        _ => None,
    }
}

fn main() {
    if env::args().any(|word| word == "haste") {
        harness::make_haste();
    }
    let records = records();
    let mut beyond = Vec::new();
    println!(
        "| format | bytes | | ns | MB/s | bare ns | to bare | quiet |\n|---|--:|---|--:|--:|--:|--:|--:|"
    );
    // The bare crate writes JSON as it comes; what is ASCII alone, our default, is looked at once more.
    let ascii = SerializerOptions::from(Format::Json);
    let as_it_comes = SerializerOptions::from(JsonOptions::new().ensure_ascii(false));
    let others = Format::ALL[1..].iter().map(|format| SerializerOptions::from(*format));
    for options in [as_it_comes, ascii].into_iter().chain(others) {
        let format = options.format();
        let serializer = Serializer::new(options).expect("is built in");
        let bytes = serializer.serialize(&records).expect("is written");
        let ours_writes = |calls| {
            for _ in 0..calls {
                black_box(serializer.serialize(black_box(&records)).expect("is written"));
            }
        };
        let ours_reads = |calls| {
            for _ in 0..calls {
                black_box(serializer.deserialize::<Vec<Record>>(black_box(&bytes)).expect("is read"));
            }
        };
        let row = |name: &str, figures: &[harness::Figures]| {
            let [ours, bare @ ..] = figures else { return None };
            let speed = bytes.len() as f64 / ours.min * 1e3;
            let beside = bare.first().map(|bare| (bare.min, ours.min / bare.min));
            let (bare, ratio) = beside.map_or_else(
                || (String::new(), String::new()),
                |(bare, ratio)| (format!("{bare:.0}"), format!("{ratio:.3}")),
            );
            println!(
                "| {options} | {} | {name} | {:.0} | {speed:.0} | {bare} | {ratio} | {:.0} % |",
                bytes.len(),
                ours.min,
                ours.quiet,
            );
            beside.map(|(_, ratio)| (format!("{options} {name}"), ratio))
        };
        let (writes, reads) = match bare(format) {
            Some((write, read)) => {
                assert_eq!(read(&bytes), records, "the bare crate reads what ours has written");
                let bare_writes = |calls| {
                    for _ in 0..calls {
                        black_box(write(black_box(&records)));
                    }
                };
                let bare_reads = |calls| {
                    for _ in 0..calls {
                        black_box(read(black_box(&bytes)));
                    }
                };
                (harness::alone(&[&ours_writes, &bare_writes]), harness::alone(&[&ours_reads, &bare_reads]))
            }
            None => (harness::alone(&[&ours_writes]), harness::alone(&[&ours_reads])),
        };
        let both = [row("writes", &writes), row("reads", &reads)];
        beyond.extend(both.into_iter().flatten().filter(|(_, ratio)| options != ascii && *ratio > TARGET));
        if let ([ours_w, bare_w], [ours_r, bare_r]) = (&*writes, &*reads) {
            let (ours, bare) = (ours_w.min + ours_r.min, bare_w.min + bare_r.min);
            println!(
                "| {options} | {} | there and back | {ours:.0} | | {bare:.0} | {:.3} | |",
                bytes.len(),
                ours / bare
            );
        }
    }
    println!("\n| envelope of JSON, by | bytes | sealed, ns | opened, ns |\n|---|--:|--:|--:|");
    for compression in Compression::ALL {
        let options = SerializerOptions::from(Format::Json).compressed(*compression);
        let serializer = Serializer::new(options).expect("is built in");
        let sealed = serializer.seal(&records).expect("is written");
        let seals = |calls| {
            for _ in 0..calls {
                black_box(serializer.seal(black_box(&records)).expect("is written"));
            }
        };
        let opens = |calls| {
            for _ in 0..calls {
                black_box(open::<Vec<Record>>(black_box(&sealed)).expect("is read"));
            }
        };
        let figures = harness::alone(&[&seals, &opens]);
        println!("| {compression} | {} | {:.0} | {:.0} |", sealed.len(), figures[0].min, figures[1].min);
    }
    for (path, ratio) in &beyond {
        println!("beyond the target of {TARGET}: {path}, {ratio:.3}");
    }
}
