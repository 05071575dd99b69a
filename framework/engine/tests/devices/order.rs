//! Everything happens in the order in which it is asked for.

use crate::arrays::{bytes, get_floats, put_floats, random};
use crate::devices::{gpus, groups};
use balpoe_engine::cuda::{Command, Device as _, Fault, Precision};

#[test]
fn uploads_do_not_overtake_work_and_work_does_not_overtake_uploads() {
    for group in groups(1, Precision::F32) {
        let device = &*group[0];
        // Small uploads and large ones go different ways.
        for len in [5, 1000, 300_000, 3_000_000] {
            let source = device.allocate(len * 4).unwrap();
            let copies: Vec<_> = (0..6).map(|_| device.allocate(len * 4).unwrap()).collect();
            let copy =
                |&to| device.prepare(vec![Command::Copy { from: source, to, bytes: len * 4 }]).unwrap();
            let mut lists: Vec<_> = copies.iter().map(copy).collect();
            for (seed, list) in lists.iter_mut().enumerate() {
                let mut given = bytes(&random(seed as u64, len));
                device.upload(&given, source).unwrap();
                // The bytes belong to their owner again.
                given.fill(0);
                list.run().unwrap();
            }
            for (seed, &copied) in copies.iter().enumerate() {
                assert!(
                    get_floats(device, copied, len) == random(seed as u64, len),
                    "{} {len}",
                    device.name()
                );
            }
            drop(lists);
            copies.into_iter().chain([source]).for_each(|address| device.release(address));
        }
    }
}

#[test]
fn what_is_on_its_way_does_not_change_any_more() {
    for group in groups(1, Precision::F32) {
        let device = &*group[0];
        let source = put_floats(device, &random(0, 100));
        let mut flights = Vec::new();
        for seed in 1..6 {
            flights.push(device.begin_download(source, 400).unwrap());
            device.upload(&bytes(&random(seed, 100)), source).unwrap();
        }
        // One that nobody waits for.
        drop(flights.remove(2));
        let arrived: Vec<Vec<u8>> = flights.into_iter().map(|flight| flight.wait().unwrap()).collect();
        let expected: Vec<Vec<u8>> = [0, 1, 3, 4].map(|seed| bytes(&random(seed, 100))).to_vec();
        assert!(arrived == expected, "{}", device.name());
        device.release(source);
    }
}

#[test]
fn memory_is_clear_and_clears() {
    for group in groups(1, Precision::F32) {
        let device = &*group[0];
        let fresh = device.allocate(400).unwrap();
        assert_eq!(fresh.0 % 256, 0);
        assert_eq!(get_floats(device, fresh, 100), vec![0.0; 100]);
        let used = put_floats(device, &[1.0; 100]);
        let clear = Command::Clear { address: used.offset(40), bytes: 80 };
        device.prepare(vec![clear]).unwrap().run().unwrap();
        let expected: Vec<f32> = (0..100).map(|i| if (10..30).contains(&i) { 0.0 } else { 1.0 }).collect();
        assert_eq!(get_floats(device, used, 100), expected);
        [fresh, used].into_iter().for_each(|address| device.release(address));
    }
}

#[test]
fn a_full_gpu_says_how_much_is_free() {
    let Some(group) = gpus(1, Precision::F32) else { return };
    let wanted = 1 << 50;
    let Err(Fault::Memory { wanted: found, free, .. }) = group[0].allocate(wanted) else {
        panic!("a petabyte was given")
    };
    assert_eq!(found, wanted);
    assert!(free > 0);
    // It is as good as before.
    let address = group[0].allocate(1 << 20).unwrap();
    group[0].release(address);
}
