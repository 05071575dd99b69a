//! The program and the memory of networks on GPUs, which need none to be looked at.

use crate::common::{Random, parameters, random_net, resnet};
use crate::{group, replicas};
use balpoe_engine::cuda::{CudaPreview, Storage};
use balpoe_engine::{BatchNormGroup, CudaOptions};
use balpoe_net::{NetBuilder, Shape};

#[test]
fn program_and_memory_of_two_experts() {
    let net = resnet(Shape::new(8, 8, 3), [16, 16, 32], 1, 2, 10).unwrap();
    let options = CudaOptions { max_batch: 4, batch_norm: BatchNormGroup::All };
    let preview = CudaPreview::new(&net, &options, 1, Storage::F32, None).unwrap();
    insta::assert_snapshot!("two_experts_on_one_gpu", preview);
    // In bf16 on two GPUs: conversions, and sums of statistics and gradients.
    let preview = CudaPreview::new(&net, &options, 2, Storage::Bf16, None).unwrap();
    insta::assert_snapshot!("two_experts_on_two_gpus_in_bf16", preview);
}

#[test]
fn a_whole_step_ends_with_loss_and_update() {
    let mut net = NetBuilder::new(Shape::new(4, 4, 3));
    let x = net.global_average_pool(net.input()).unwrap();
    for expert in 0..2 {
        let logits = net.cosine_linear(x, format!("head.{expert}"), 5, 30.0).unwrap();
        net.output(format!("logits.{expert}"), logits).unwrap();
    }
    let options = CudaOptions { max_batch: 4, batch_norm: BatchNormGroup::All };
    let preview = CudaPreview::new(&net.finish().unwrap(), &options, 1, Storage::F32, Some(0..2)).unwrap();
    insta::assert_snapshot!("whole_step", preview.passes[2]);
    // It differs in where its images come from.
    let kept = preview.passes[3].to_string();
    let differing: Vec<&str> = kept.lines().filter(|line| line.contains("view_images")).collect();
    insta::assert_snapshot!("images_that_are_kept", differing.join("\n"));
    assert_eq!(preview.passes[2].commands.len() + 1, preview.passes[3].commands.len());
}

#[test]
fn rooms_that_are_used_at_the_same_time_do_not_share_memory() {
    let mut networks = 0;
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let image = Shape::new(1 + random.below(9), 1 + random.below(9), [1, 3, 17][random.below(3)]);
        let operations = 1 + random.below(13);
        let Ok(net) = random_net(image, operations, &mut random) else { continue };
        networks += 1;
        let options = CudaOptions { max_batch: 1 + random.below(6), batch_norm: BatchNormGroup::All };
        let (devices, storage) = (1 + random.below(3), [Storage::F32, Storage::Bf16][random.below(2)]);
        for pass in CudaPreview::new(&net, &options, devices, storage, None).unwrap().passes {
            let used: Vec<_> =
                pass.rooms.iter().filter_map(|room| Some((room.commands?, room.bytes.clone()))).collect();
            let mut most = 0;
            for (i, ((first, last), own)) in used.iter().enumerate() {
                assert!(own.end <= pass.arena_bytes, "seed {seed}: a room ends behind the arena");
                let mut at_once = own.len();
                for (k, ((other_first, other_last), other)) in used.iter().enumerate() {
                    let meets = first <= other_last && other_first <= last;
                    let overlaps = own.start < other.end && other.start < own.end;
                    assert!(
                        i == k || !(meets && overlaps),
                        "seed {seed}: rooms {own:?} and {other:?}\n{pass}"
                    );
                    if i != k && other_first <= first && first <= other_last {
                        at_once += other.len();
                    }
                }
                most = most.max(at_once);
            }
            let apart: usize = used.iter().map(|(_, bytes)| bytes.len()).sum();
            assert!(
                most <= pass.arena_bytes && pass.arena_bytes <= apart,
                "seed {seed}: {most} {apart}\n{pass}"
            );
        }
    }
    assert!(networks > 100, "only {networks} networks");
}

#[test]
fn the_memory_is_what_devices_are_asked_for() {
    let net = crate::network();
    for (devices, storage) in [(1, Storage::F32), (2, Storage::Bf16)] {
        let Some(gpus) = group(devices, storage) else { return };
        let executor =
            replicas(&net, 6, BatchNormGroup::Images(3), &gpus, &parameters(&net, &mut Random::new(1)));
        let options = CudaOptions { max_batch: 6, batch_norm: BatchNormGroup::Images(3) };
        let preview = CudaPreview::new(&net, &options, devices, storage, None).unwrap();
        assert_eq!(preview.bytes(), executor.bytes());
        assert_eq!(preview.state_bytes, gpus[0].allocated(), "no pass has run yet");
    }
}
