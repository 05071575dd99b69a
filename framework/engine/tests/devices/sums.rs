//! Sums over the devices of a group.

use crate::arrays::{get_floats, put_bytes, put_floats, random};
use crate::devices::groups;
use balpoe_engine::cuda::{Command, Device, Number, Precision};

const LEN: usize = 1000;

/// What a device of a group has after sums of both kinds, with work beside them: copies of `f32` and `f64` sums.
fn work(device: &dyn Device) -> (Vec<f32>, Vec<f64>) {
    let own = random(device.rank() as u64, LEN);
    let floats = put_floats(device, &own);
    let wide: Vec<u8> = own.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    let doubles = put_bytes(device, &wide);
    let (scratch, copied) = (put_floats(device, &own), device.allocate(LEN * 4).unwrap());
    let mut list = device
        .prepare(vec![
            Command::BeginSum { address: floats, len: LEN, number: Number::Single },
            Command::Clear { address: scratch, bytes: LEN * 4 },
            Command::Sum { address: doubles, len: LEN, number: Number::Double },
            Command::EndSums,
            Command::Copy { from: floats, to: copied, bytes: LEN * 4 },
        ])
        .unwrap();
    list.run().unwrap();
    let floats = get_floats(device, copied, LEN);
    let mut bytes = vec![0; LEN * 8];
    device.download(doubles, &mut bytes).unwrap();
    let doubles = bytes.as_chunks::<8>().0.iter().map(|&word| f64::from_le_bytes(word)).collect();
    (floats, doubles)
}

#[test]
fn every_device_of_a_group_has_the_sums_of_all() {
    for devices in [1, 2, 4] {
        for group in groups(devices, Precision::F32) {
            let name = group[0].name();
            let found: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    group.into_iter().map(|device| scope.spawn(move || work(&*device))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let all: Vec<Vec<f32>> = (0..devices).map(|rank| random(rank as u64, LEN)).collect();
            for (floats, doubles) in found {
                for i in 0..LEN {
                    let expected: f64 = all.iter().map(|values| f64::from(values[i])).sum();
                    assert!((f64::from(floats[i]) - expected).abs() <= 1e-6, "{name}, {devices} devices");
                    assert!((doubles[i] - expected).abs() <= 1e-14, "{name}, {devices} devices");
                }
            }
        }
    }
}
