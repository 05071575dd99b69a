//! Lists of image files.

use std::path::PathBuf;

use balpoe_core::components::{Data, DataError, Dataset, FileReport, Outline, Place, Progress};
use balpoe_core::config::ConfigError;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Image files named by lists of "path label": ImageNet-LT, iNaturalist 2018, and one's own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ImageList(pub balpoe_data::ImageList);

impl Component for ImageList {
    // JPEG files give libjpeg's pixels since the second.
    const VERSION: u32 = 2;

    fn check(&self) -> Result<(), ConfigError> {
        self.0.check()
    }
}

impl Dataset for ImageList {
    fn load(&self, place: Place<'_>) -> Result<Data, DataError> {
        self.0.load(place)
    }

    fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
        self.0.distribution(name, data)
    }

    fn outline(&self, place: Place<'_>) -> Option<Outline> {
        self.0.outline(place)
    }

    fn verify(&self, place: Place<'_>) -> Result<Vec<FileReport>, DataError> {
        self.0.verify(place)
    }

    fn pack(&self, place: Place<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Vec<PathBuf>, DataError> {
        self.0.pack(place, progress)
    }
}

balpoe_core::register! {
    Dataset "image-list" => ImageList,
    summary: "image files named by lists of \"path label\", as ImageNet-LT and iNaturalist 2018 are published",
    paper: "Liu et al., Large-scale long-tailed recognition in an open world, CVPR 2019; \
            Van Horn et al., The iNaturalist species classification and detection dataset, CVPR 2018",
    example: "kind = \"image-list\"\nfolder = \"imagenet\"\ntrain = \"ImageNet_LT/ImageNet_LT_train.txt\"\n\
              test = \"ImageNet_LT/ImageNet_LT_test.txt\"",
}
