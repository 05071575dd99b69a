//! Heads: gradients, and the engine's form against dfdx's.

use balpoe_core::components::ExpertHead;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use balpoe_engine::oracle::Oracle;
use balpoe_net::{NetBuilder, NodeId, Shape};

use super::Findings;
use crate::generated::{difference, normal, parameter, stream};
use crate::gradient_gap;

const BATCH: usize = 4;
const FEATURES: usize = 7;
const CLASSES: usize = 5;

/// Flat values of features and of every parameter.
type Inputs = Vec<Vec<f32>>;

pub(super) fn check(head: &dyn ExpertHead, findings: &mut Findings) {
    let mut stream = stream(1);
    let parameters = head.parameters(FEATURES, CLASSES);
    let mut inputs = vec![normal(BATCH * FEATURES, 1.0, &mut stream)];
    let values = parameters.iter().map(|p| parameter(p.init, p.shape.iter().product(), &mut stream));
    inputs.extend(values);
    let upstream = normal(BATCH * CLASSES, 1.0, &mut stream);

    let (logits, gradients) = run(head, &inputs, &upstream);
    findings.expect(logits.len() == BATCH * CLASSES, || {
        format!("expected logits [{BATCH}, {CLASSES}], found {} values", logits.len())
    });
    findings.expect(logits.iter().all(|z| z.is_finite()), || "logits are not finite".to_owned());
    for (at, gradient) in gradients.iter().enumerate() {
        let gap = gradient_gap(
            |values| {
                let mut inputs = inputs.clone();
                inputs[at] = values.to_vec();
                run(head, &inputs, &upstream).0.iter().zip(&upstream).map(|(z, u)| f64::from(z * u)).sum()
            },
            &inputs[at],
            gradient,
        );
        let what = if at == 0 { "features" } else { parameters[at - 1].name };
        findings.expect(gap < 5e-3, || format!("its gradient by {what} is off by {gap:.1e} of its size"));
    }
    lowering_agrees(head, &inputs, &upstream, (&logits, &gradients), findings);
}

/// Logits, and the gradients of `sum(upstream * logits)` by features and parameters, through dfdx.
fn run(head: &dyn ExpertHead, inputs: &Inputs, upstream: &[f32]) -> (Vec<f32>, Inputs) {
    let device = Device::default();
    let shapes = head.parameters(FEATURES, CLASSES).into_iter().map(|parameter| match parameter.shape[..] {
        [rows, columns] => (rows, columns),
        _ => (1, parameter.shape.iter().product()),
    });
    let shapes = std::iter::once((BATCH, FEATURES)).chain(shapes);
    let tensors: Vec<Matrix> =
        shapes.zip(inputs).map(|(shape, values)| device.tensor_from_vec(values.clone(), shape)).collect();
    let logits = head.forward(&tensors[1..], tensors[0].leaky_trace());
    let values = logits.as_vec();
    let shape = *logits.shape();
    if values.len() != upstream.len() {
        return (values, Vec::new());
    }
    let upstream: Matrix = device.tensor_from_vec(upstream.to_vec(), shape);
    let mut gradients = (logits * upstream).sum::<Rank0, _>().backward();
    let read =
        |tensor: &Matrix| gradients.get_or_alloc_mut(tensor).map_or_else(|_| Vec::new(), |g| g.to_vec());
    (values, tensors.iter().map(read).collect())
}

fn lowering_agrees(
    head: &dyn ExpertHead,
    inputs: &Inputs,
    upstream: &[f32],
    (logits, gradients): (&[f32], &Inputs),
    findings: &mut Findings,
) {
    let mut builder = NetBuilder::new(Shape::vector(FEATURES));
    let features = builder.input();
    let node: NodeId = match head.lower(&mut builder, features, "head", CLASSES) {
        Ok(Some(node)) => node,
        Ok(None) => return,
        Err(error) => return findings.note(format!("lowering fails: {error}")),
    };
    if let Err(error) = builder.output("logits", node) {
        return findings.note(format!("lowering gives no node of the network: {error}"));
    }
    let net = match builder.finish() {
        Ok(net) => net,
        Err(error) => return findings.note(format!("lowering gives no network: {error}")),
    };
    let declared: Vec<_> = head
        .parameters(FEATURES, CLASSES)
        .into_iter()
        .map(|p| (format!("head.{}", p.name), p.shape, p.init))
        .collect();
    let lowered: Vec<_> =
        net.parameters().iter().map(|p| (p.name.clone(), p.shape.clone(), p.init)).collect();
    if declared != lowered {
        return findings
            .note(format!("lowering has the parameters {lowered:?}, `parameters` says {declared:?}"));
    }
    let mut oracle = Oracle::<f64>::new(&net, &inputs[1..]);
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    oracle.forward(&wide(&inputs[0]), true);
    let gap = difference(&narrow(oracle.output(0)), logits);
    findings.expect(gap < 1e-5, || format!("its lowering's logits differ from dfdx's by {gap:.1e}"));
    let (parameter_gradients, feature_gradient) = oracle.backward(&[Some(&wide(upstream))]);
    for (lowered, found) in std::iter::once(&feature_gradient).chain(&parameter_gradients).zip(gradients) {
        let gap = difference(&narrow(lowered), found);
        findings.expect(gap < 1e-4, || format!("its lowering's gradients differ from dfdx's by {gap:.1e}"));
    }
}
