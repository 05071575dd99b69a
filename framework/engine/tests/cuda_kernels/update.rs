//! The update and the conversions.

use crate::machine::{Data, arguments, assert_close, on_every_machine, random, to_bf16};
use balpoe_engine::cuda::Storage;

/// `Sgd` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sgd {
    rate: f32,
    momentum: f32,
    weight_decay: f32,
    nesterov: i32,
}

impl Data for Sgd {}

#[test]
fn sgd_as_pytorch_defines_it() {
    on_every_machine(|run| {
        for nesterov in [0, 1] {
            let len = 77;
            let [p, v, g] = [1, 2, 3].map(|seed| random(seed, len));
            let (parameter, velocity) = (run.plain(&p), run.plain(&v));
            let (copy, gradient) = (run.real_room(len), run.plain(&g));
            let sgd = run.plain(&[Sgd { rate: 0.1, momentum: 0.9, weight_decay: 5e-2, nesterov }]);
            let update = |loss: u64| {
                let len = len as i64;
                let arguments = arguments![parameter, velocity, gradient, copy, sgd, loss, len];
                run.launch_loop("sgd", 77, arguments);
            };
            // A loss that is not finite changes nothing.
            for loss in [f64::NAN, f64::INFINITY] {
                update(run.plain(&[loss]).address());
                assert_eq!(run.read(parameter), p);
                assert_eq!(run.read(velocity), v);
            }
            update(if nesterov == 1 { run.plain(&[3.0f64]).address() } else { 0 });
            let mut expected = (Vec::new(), Vec::new());
            for i in 0..len {
                let [p, v, g] = [p[i], v[i], g[i]].map(f64::from);
                let g = g + 5e-2 * p;
                let v = 0.9 * v + g;
                expected.0.push(p - 0.1 * if nesterov == 1 { g + 0.9 * v } else { v });
                expected.1.push(v);
            }
            assert_close("parameter", &run.read(parameter), &expected.0, 1e-6);
            assert_close("velocity", &run.read(velocity), &expected.1, 1e-6);
            run.assert_real("copy", copy, &expected.0);
        }
    });
}

#[test]
fn conversions_round_to_nearest_even_and_keep_what_is_special() {
    let mut values = random(4, 500);
    values.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-40]);
    // Exactly between two neighbours, below an even and an odd one.
    values.extend([0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0xbf80_7fff].map(f32::from_bits));
    on_every_machine(|run| {
        let out = run.real_room(values.len());
        run.launch_loop("to_real", values.len(), arguments![run.plain(&values), out, values.len() as i64]);
        let back = run.room(values.len());
        run.launch_loop("to_float", values.len(), arguments![out, back, values.len() as i64]);
        let stored = run.read_real(out);
        let expected: Vec<u32> = values
            .iter()
            .map(|&value| match run.storage() {
                Storage::F32 => value.to_bits(),
                Storage::Bf16 => u32::from(to_bf16(value)) << 16,
            })
            .collect();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&stored), expected);
        assert_eq!(bits(&run.read(back)), expected);
    });
}
