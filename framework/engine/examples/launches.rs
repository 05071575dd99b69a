//! What a training step is on a GPU, counted and not measured: launches and bytes by kernel, for ResNet-32 on 32x32 images,
//! batch 128, 100 classes, feature maps in bf16.
//!
//! `cargo run --release -p balpoe-engine --example launches -- [experts]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

mod resnet32;

use balpoe_engine::cuda::{CudaPreview, Storage};
use balpoe_engine::{BatchNormGroup, CudaOptions};
use resnet32::{BATCH, resnet32};
use std::collections::BTreeMap;
use std::error::Error;

/// Bytes of the rooms that a command's line names: what it reads and writes, but for parameters.
fn bytes(line: &str, rooms: &[usize]) -> usize {
    let named = line.split("room ").skip(1);
    let numbers =
        named.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
    numbers.map(|room| rooms[room]).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let experts = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let net = resnet32(experts)?;
    let options = CudaOptions { max_batch: BATCH, batch_norm: BatchNormGroup::All };
    let preview = CudaPreview::new(&net, &options, 1, Storage::Bf16, Some(0..experts))?;
    let step = preview.passes.last().ok_or("no step")?;
    let rooms: Vec<usize> = step.rooms.iter().map(|room| room.bytes.len()).collect();
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in &step.commands {
        // A kernel's name, or what a library does: "convolution", "gradient of a convolution's input".
        let end = line.find(|c: char| c.is_ascii_digit()).unwrap_or(line.len());
        let kind = kinds.entry(line[..end].trim_end()).or_default();
        *kind = (kind.0 + 1, kind.1 + bytes(line, &rooms));
    }
    for (kind, (launches, bytes)) in &kinds {
        println!("{launches:5} {:9.1} MB  {kind}", *bytes as f64 / 1e6);
    }
    let all: usize = kinds.values().map(|(_, bytes)| bytes).sum();
    println!("{:5} {:9.1} MB  in all", step.commands.len(), all as f64 / 1e6);
    Ok(())
}
