//! Backbones: one feature vector per expert, or an error.

use balpoe_core::components::Backbone;
use balpoe_net::{NetBuilder, Shape};

use super::Findings;

pub(super) fn check(backbone: &dyn Backbone, findings: &mut Findings) {
    findings.expect(backbone.experts() > 0, || "its example has no expert".to_owned());
    for size in [32, 16] {
        let describe = || {
            let mut net = NetBuilder::new(Shape::new(size, size, 3));
            let features = backbone.describe(&mut net)?;
            for (expert, &feature) in features.iter().enumerate() {
                net.output(format!("features.{expert}"), feature)?;
            }
            net.finish().map(|net| (features.len(), net))
        };
        match (describe(), describe()) {
            (Ok((experts, net)), Ok((_, again))) => {
                findings.expect(experts == backbone.experts(), || {
                    format!("{} experts, but {experts} feature vectors", backbone.experts())
                });
                findings.expect(
                    net.outputs().iter().all(|output| net.node(output.node).shape.is_vector()),
                    || "an expert's features are no vector: end with a global pooling".to_owned(),
                );
                findings.expect(net == again, || "two descriptions differ".to_owned());
            }
            (Err(error), _) | (_, Err(error)) => {
                findings.note(format!("{size}x{size} images cannot be described: {error}"));
            }
        }
    }
    // An image that is too small must be an error, not a panic.
    let _ = backbone.describe(&mut NetBuilder::new(Shape::new(1, 1, 3)));
}
