//! Masks: what they are made of, what they look like, and their scores.

use convlens::prelude::*;

fn classes() -> Classes {
    Classes::named(["water", "sand", "salt"]).expect("classes")
}

#[test]
fn a_mask_is_made_of_class_numbers_or_of_scores() {
    let scores = Tensor::from_slice(&[1f32, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 7.0]);
    let mask = Mask::from_tensor(&scores.view([1, 3, 1, 3]), Some(&classes())).expect("a mask");
    assert_eq!(mask.labels(), [0, 1, 2]);
    let numbers = Tensor::from_slice(&[0i64, 2]).view([1, 2]);
    let mask = Mask::from_tensor(&numbers, None).expect("a mask");
    assert_eq!(mask.classes().names(), ["class 0", "class 1", "class 2"]);
    assert_eq!(mask.to_tensor().expect("a tensor"), numbers.view([1, 1, 2]));
    for wrong in [
        Tensor::from_slice(&[0i64, 3]).view([1, 2]),
        Tensor::from_slice(&[0i64, -1]).view([1, 2]),
        Tensor::zeros([1, 4, 1, 2], tch::kind::FLOAT_CPU),
        Tensor::zeros([2, 3, 1, 2], tch::kind::FLOAT_CPU),
        Tensor::zeros([0, 2], tch::kind::FLOAT_CPU),
    ] {
        assert!(Mask::from_tensor(&wrong, Some(&classes())).is_err(), "{:?}", wrong.size());
    }
    assert!(Mask::from_tensor(&Tensor::from_slice(&[0i64, 256]).view([1, 2]), None).is_err());
}

#[test]
fn chosen_colours_are_painted_and_scores_go_by_the_names() {
    let chosen = [("water", [1, 2, 3]), ("sand", [4, 5, 6]), ("salt", [7, 8, 9])];
    let chosen = Classes::coloured(chosen).expect("classes");
    let mask = |classes: &Classes| Mask::new(1, 2, vec![0, 2], classes).expect("a mask");
    let painted = mask(&chosen).pixels().expect("a picture").to_rgb().into_raw();
    assert_eq!(painted, [1, 2, 3, 7, 8, 9]);
    let score = |classes: &Classes| mask(classes).score(&mask(classes)).expect("a score");
    assert!(score(&chosen).and(&score(&classes())).is_ok());
}

#[test]
fn scores_are_those_of_the_confusion_matrix() {
    let mask = |labels: &[u8]| Mask::new(1, labels.len(), labels.to_vec(), &classes()).unwrap();
    let score = mask(&[0, 0, 0, 1, 1, 1]).score(&mask(&[0, 0, 1, 1, 1, 0])).expect("a score");
    assert_eq!(score.count(0, 1), 1);
    assert_eq!(score.pixel_accuracy(), 4.0 / 6.0);
    assert_eq!((score.iou(0), score.iou(2)), (Some(0.5), None));
    assert_eq!(score.mean_iou(), 0.5);
    assert_eq!(score.recall(1), Some(2.0 / 3.0));
    let twice = score.and(&score).expect("a score");
    assert_eq!((twice.count(0, 1), twice.mean_iou()), (2, 0.5));
    assert_eq!(
        score.to_string(),
        "Class     IoU   Found  Share of pixels\n\
         water  50.0 %  66.7 %           50.0 %\n\
         sand   50.0 %  66.7 %           50.0 %\n\
         salt        –       –            0.0 %\n\
         Pixel accuracy: 66.7 %, Mean IoU: 50.0 %"
    );
    assert!(mask(&[0, 0]).score(&mask(&[0])).is_err());
}

#[test]
fn one_map_of_logits_is_yes_or_no() {
    let logits = tch::Tensor::from_slice(&[-1.0f32, 2.0, 0.5, -3.0]).reshape([1, 1, 2, 2]);
    let mask = Mask::from_tensor(&logits, None).expect("a mask");
    assert_eq!(mask.counts(), [2, 2]);
}

#[test]
fn a_huge_class_number_is_an_error_and_not_the_end_of_the_kernel() {
    let huge = tch::Tensor::full([4, 4], 1_000_000_000, (tch::Kind::Int64, tch::Device::Cpu));
    let text = Mask::from_tensor(&huge, None).expect_err("no such class").to_string();
    assert!(text.contains("1000000000 is not a class"), "{text}");
}

#[test]
fn a_mask_has_the_colours_of_its_classes_and_a_legend_of_those_that_are_in_it() {
    let labels: Vec<u8> = (0..400).map(|v| (v % 200 / 100) as u8).collect();
    let mask = Mask::new(2, 200, labels, &classes()).expect("a mask");
    let pixels = mask.pixels().expect("a picture").to_rgb();
    assert_eq!(pixels.get_pixel(0, 0).0, classes().colour(0));
    assert_eq!(pixels.get_pixel(199, 1).0, classes().colour(1));
    let picture = mask.picture().expect("a picture").to_rgb();
    let has = |colour: [u8; 3]| picture.pixels().any(|pixel| pixel.0 == colour);
    assert!(has(classes().colour(0)) && has(classes().colour(1)) && !has(classes().colour(2)));
    assert_eq!(mask.bundle().as_text(), "200 × 2: water 50.0 %, sand 50.0 %");
}

#[test]
fn sizes_and_labels_must_fit() {
    assert!(matches!(Mask::new(2, 2, vec![0; 3], &classes()), Err(convlens::Error::Shape(_))));
    assert!(matches!(Mask::new(0, 2, vec![], &classes()), Err(convlens::Error::Shape(_))));
    assert!(matches!(Mask::new(usize::MAX, 2, vec![], &classes()), Err(convlens::Error::Shape(_))));
    let error = Mask::new(1, 2, vec![0, 3], &classes()).expect_err("no class 3").to_string();
    assert!(error.contains("row 0, column 1 is labelled 3"), "{error}");
    assert!(Classes::named(Vec::<String>::new()).is_err());
}

#[test]
fn a_network_that_segments_gives_a_mask_of_its_classes() {
    let mut net = Model::builder("segments", [3, 8, 8]).classes(["rest", "salt"]).seed(1);
    let input = net.input();
    net.add("scores", Conv2d::new(3, 2, 1), &[input]);
    let model = net.build().expect("a network");
    let look = model.look_input(&Tensor::rand([1, 3, 8, 8], tch::kind::FLOAT_CPU));
    let look = look.expect("a look");
    let mask = look.segmentation().expect("a mask");
    assert_eq!(mask.classes().names(), ["rest", "salt"]);
    let scores = look.layer("scores").expect("the scores").tensor();
    assert_eq!(mask.to_tensor().expect("a tensor"), scores.argmax(1, false));
}

#[test]
fn a_network_that_does_not_segment_says_so() {
    let model = zoo::squeezenet1_1().expect("the embedded network");
    let look = model.look(&Photo::open("assets/photos/cat.png").expect("a photo"));
    let error = look.expect("a look").segmentation().expect_err("class scores").to_string();
    assert!(error.contains("does not segment"), "{error}");
}
