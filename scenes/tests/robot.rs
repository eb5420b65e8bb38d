//! The robot's made scenes, what is known of them, and the network that foresees it.

use convlens::prelude::*;
use convlens_scenes::prelude::*;
use convlens_scenes::robot::{DISTANCES, HEIGHT, Obstacle, Scene, Sensor, WIDTH, class_names};
use tch::Kind;

fn made(seed: u64) -> Scene {
    Arena::default().seed(seed).scene().expect("a scene")
}

fn with(obstacles: impl IntoIterator<Item = Obstacle>) -> Scene {
    Arena::default().obstacles(obstacles).scene().expect("a scene")
}

/// The steps at which a sensor detects something.
fn steps(scene: &Scene, sensor: Sensor) -> Vec<usize> {
    let detects = |step: &usize| scene.truth().value(sensor, *step) == Some(1.0);
    (0..DISTANCES).filter(detects).collect()
}

/// The columns and rows of the pixels that show an obstacle.
fn shown(scene: &Scene) -> Vec<(usize, usize)> {
    let region = scene.obstacles().expect("a region");
    assert_eq!((region.height(), region.width()), (HEIGHT, WIDTH));
    let set = region.inside().iter().enumerate().filter(|(_, set)| **set);
    set.map(|(i, _)| (i % WIDTH, i / WIDTH)).collect()
}

#[test]
fn the_same_seed_makes_the_same_scene_and_another_seed_another() {
    let (a, b, c) = (made(3), made(3), made(4));
    assert_eq!(a.picture().data(), b.picture().data());
    assert_eq!(a.truth().values(), b.truth().values());
    assert_eq!(shown(&a), shown(&b));
    assert_ne!(a.picture().data(), c.picture().data());
    assert_ne!(a.truth().values(), c.truth().values());
}

#[test]
fn the_centre_sensor_detects_what_is_straight_ahead_from_14_cm_before_it_on() {
    for front in [20.0f32, 61.0, 97.0] {
        // 2 cm wide: beside the rays of the other sensors, and in the robot's way.
        let scene = with([Obstacle::block(front + 1.0, 0.0, 2.0, 2.0)]);
        let from = ((front - 14.0) / 2.0).ceil() as usize;
        assert_eq!(steps(&scene, Sensor::Centre), Vec::from_iter(from..DISTANCES), "{front} cm");
        for sensor in [Sensor::Left, Sensor::HalfRight, Sensor::Right] {
            assert_eq!(steps(&scene, sensor), [0; 0], "{sensor:?} at {front} cm");
        }
    }
}

#[test]
fn the_side_sensors_detect_what_the_robot_passes_and_lose_it_again() {
    // The left sensor sits at (-1.75, 4.85) and looks 40° to the left: it meets the line y = 10
    // at x = driven - 1.75 + 5.15 / tan 40°, 8.0 cm away. The post's near side is 2 cm wide.
    let scene = with([Obstacle::block(60.0, 11.0, 2.0, 2.0)]);
    let meets = |x: f32| x + 1.75 - 5.15 / 40f32.to_radians().tan();
    let far = |x: f32| x + 1.75 - 7.15 / 40f32.to_radians().tan(); // its face at y = 12
    let expected: Vec<usize> = (0..DISTANCES)
        .filter(|step| (far(59.0)..=meets(61.0)).contains(&(2.0 * *step as f32)))
        .collect();
    assert!(expected.len() >= 2, "{expected:?}");
    assert_eq!(steps(&scene, Sensor::Left), expected);
    assert_eq!(steps(&scene, Sensor::Right), [0; 0]);
    // In the mirror it is the right sensor's.
    let mirrored = with([Obstacle::block(60.0, -11.0, 2.0, 2.0)]);
    assert_eq!(steps(&mirrored, Sensor::Right), expected);
}

#[test]
fn where_the_robot_cannot_get_the_reading_is_that_of_the_place_where_it_stops() {
    // A board across the way at 50 cm; what stands behind it is never reached.
    let board = Obstacle::block(51.0, 0.0, 2.0, 12.0);
    let scene = with([board.clone(), Obstacle::block(90.0, 11.0, 10.0, 2.0)]);
    let alone = with([board]);
    assert_eq!(scene.truth().values(), alone.truth().values());
    assert_eq!(steps(&scene, Sensor::Centre), Vec::from_iter(18..DISTANCES));
    for step in 25..DISTANCES {
        for sensor in Sensor::ALL {
            assert_eq!(scene.truth().value(sensor, step), scene.truth().value(sensor, 64));
        }
    }
}

#[test]
fn an_open_floor_holds_nothing() {
    let scene = with([]);
    assert!(scene.truth().values().iter().all(|&value| value == 0.0));
    assert!(shown(&scene).is_empty());
    assert_eq!(
        scene.truth().to_string(),
        "truth: something is detected left never, half left \
        never, centre never, half right never, right never"
    );
}

#[test]
fn the_picture_shows_obstacles_where_a_pinhole_camera_has_them() {
    // The camera stands 6 cm behind the nose, 12 cm above the floor, pitched down by 16°.
    let row = |ahead: f32, height: f32| {
        let (sin, cos) = 16f32.to_radians().sin_cos();
        let (x, z) = (ahead + 6.0, height - 12.0);
        32.0 - 48.0 * (x * sin + z * cos) / (x * cos - z * sin)
    };
    let scene = with([Obstacle::block(50.0, 0.0, 10.0, 10.0).height(20.0).colour([255, 0, 0])]);
    let pixels = shown(&scene);
    let rows = pixels.iter().map(|(_, y)| *y);
    let (top, bottom) = (rows.clone().min().unwrap(), rows.max().unwrap() + 1);
    assert!((top as f32 - row(45.0, 20.0)).abs() <= 1.0, "{top} for {}", row(45.0, 20.0));
    assert!((bottom as f32 - row(45.0, 0.0)).abs() <= 1.0, "{bottom} for {}", row(45.0, 0.0));
    // As far to the left as to the right, and red.
    let left = pixels.iter().filter(|(x, _)| *x < 40).count();
    assert!(left * 2 == pixels.len(), "{left} of {}", pixels.len());
    let image = scene.picture().to_rgb();
    for (x, y) in &pixels {
        let [red, green, _] = image.get_pixel(*x as u32, *y as u32).0;
        assert!(red > green.saturating_add(20), "{x}, {y}: {red}, {green}");
    }
    // To the left is left.
    let aside = shown(&with([Obstacle::cylinder(50.0, 20.0, 5.0)]));
    assert!(!aside.is_empty() && aside.iter().all(|(x, _)| *x < 40));
}

#[test]
fn surfaces_agree_with_the_obstacles() {
    for seed in 0..10 {
        let scene = made(seed);
        let surfaces = scene.surfaces().expect("surfaces");
        let stands = surfaces.labels().iter().filter(|label| [2, 3].contains(*label)).count();
        assert_eq!(stands, shown(&scene).len(), "seed {seed}");
    }
}

#[test]
fn each_sensor_detects_something_in_a_tenth_to_two_thirds_of_the_scenes() {
    let mut score = RangeScore::default();
    (0..300).map(made).for_each(|scene| score.add(scene.truth(), scene.truth()));
    for sensor in Sensor::ALL {
        for step in 0..DISTANCES {
            let share = score.detected(sensor, step).expect("scenes");
            assert!((0.1..0.67).contains(&share), "{sensor:?} at step {step}: {share}");
        }
    }
}

#[test]
fn classes_are_named_by_sensor_and_distance() {
    let names = class_names();
    assert_eq!(names.len(), 325);
    assert_eq!((names[0].as_str(), names[324].as_str()), ("left at 0 cm", "right at 128 cm"));
    for step in [0, 10, 64] {
        for sensor in Sensor::ALL {
            let class = sensor.class_at(step).expect("a class");
            assert_eq!(names[class], format!("{} at {} cm", sensor.name(), 2 * step));
        }
    }
    assert_eq!(Sensor::Left.class_at(65), None);
    assert_eq!(made(0).truth().value(Sensor::Left, 65), None);
}

#[test]
fn the_area_under_the_curve_counts_pairs_in_the_right_order() {
    let reading = |value: f32| Reading::new(vec![value; 325]).expect("a reading");
    let mut score = RangeScore::default();
    assert_eq!(score.auc(Sensor::Left, 0), None);
    for (truth, foreseen) in [(1.0, 0.9), (0.0, 0.1), (1.0, 0.4), (0.0, 0.4), (0.0, 0.6)] {
        score.add(&reading(truth), &reading(foreseen));
    }
    // Of six pairs, 0.9 wins three, 0.4 wins one, draws one and loses one.
    assert_eq!(score.auc(Sensor::Left, 0), Some(4.5 / 6.0));
    assert_eq!(score.accuracy_at(Sensor::Left, 0), Some(3.0 / 5.0));
    assert_eq!(score.detected(Sensor::Left, 0), Some(2.0 / 5.0));
    assert!((score.base_accuracy() - 0.6).abs() < 1e-9);
    assert!(score.to_string().contains("0.750"), "{score}");
}

#[test]
fn the_network_is_the_originals() {
    let model = networks::robot_range_untrained(0).expect("a network");
    assert_eq!(model.summary().expect("a summary").parameters(), 249_539);
    let shape = |layer: &str| model.up_to(layer).expect(layer).output_shapes(&[1, 3, 64, 80]);
    let last = |layer: &str| shape(layer).expect(layer).pop().expect("a shape");
    assert_eq!(last("encoder.2"), [1, 10, 32, 40]);
    assert_eq!(last("encoder.5"), [1, 10, 16, 20]);
    assert_eq!(last("encoder.8"), [1, 8, 8, 10]);
    assert_eq!(last("flatten"), [1, 640]);
    assert_eq!(last("decoder.1"), [1, 256]);
    assert_eq!(last("decoder.4"), [1, 325]);
    let names = model.weights().into_keys().collect::<Vec<_>>();
    let expected = ["decoder.1", "decoder.3", "encoder.0", "encoder.3", "encoder.6"];
    let expected: Vec<String> = expected
        .iter()
        .flat_map(|layer| ["bias", "weight"].map(|p| format!("{layer}.{p}")))
        .collect();
    assert_eq!(names, expected);
    assert_eq!(model.class_names(), class_names());
    assert_eq!(model.last_convolution().expect("a convolution"), "encoder.6");
}

#[test]
fn what_is_trained_on_is_what_a_photo_becomes() {
    let scene = made(12);
    let look = networks::robot_range_untrained(0).expect("a network");
    let look = look.look(&scene.photo().expect("a photo")).expect("a look");
    let input = look.layer("input").expect("the input").tensor();
    let trained_on = scene.to_tensor().expect("bytes").to_kind(Kind::Float) / 127.5 - 1.0;
    assert!((input - trained_on).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn the_embedded_network_foresees_what_the_sensors_will_detect_in_unseen_scenes() {
    let model = networks::robot_range().expect("the embedded network");
    let mut score = RangeScore::default();
    for first in (1_000_000..1_002_000).step_by(200) {
        let scenes: Vec<Scene> = (first..first + 200).map(made).collect();
        let bytes = scenes.iter().map(|scene| scene.to_tensor().expect("bytes"));
        let photos = Tensor::cat(&bytes.collect::<Vec<_>>(), 0).to_kind(Kind::Float) / 127.5 - 1.0;
        let output = model.forward(&photos).expect("a pass");
        for (i, scene) in (0..).zip(&scenes) {
            let values = Vec::<f32>::try_from(output.get(i)).expect("floats");
            score.add(scene.truth(), &Reading::new(values).expect("a reading"));
        }
    }
    // To the digits that are stated.
    let (accuracy, base) = (score.accuracy(), score.base_accuracy());
    assert!((accuracy - 0.901).abs() < 6e-4 && (base - 0.603).abs() < 6e-4, "{score}");
    for sensor in Sensor::ALL {
        let (here, far) = (score.auc(sensor, 0), score.auc(sensor, DISTANCES - 1));
        assert!(here.is_some_and(|auc| (0.955..0.985).contains(&auc)), "{score}");
        assert!(far.is_some_and(|auc| (0.935..0.955).contains(&auc)), "{score}");
    }
}

#[test]
fn a_reading_shows_the_picture_beside_the_map() {
    let scene = made(5);
    let look = networks::robot_range().expect("the network").look(&scene.photo().expect("a photo"));
    let look = look.expect("a look");
    let foreseen = Reading::from_look(&look).expect("a reading");
    let output = look.layer("output").expect("the output").tensor();
    let floats = Vec::<f32>::try_from(output.reshape([-1])).expect("floats");
    assert_eq!(foreseen.title(), "robot_range");
    assert_eq!(foreseen.values(), floats);
    let bundle = foreseen.bundle();
    let picture = bundle.as_picture().expect("a picture");
    assert!(picture.width() > 700 && picture.height() > 340, "{picture:?}");
    assert!(bundle.as_text().starts_with("robot_range: something is detected left "));
    let compared = foreseen.compared(scene.truth()).expect("a picture");
    assert!(compared.height() > picture.height() || compared.width() > picture.width());
    assert_eq!(foreseen.to_tensor().expect("a tensor").size(), [1, 325]);
}

#[test]
fn what_cannot_be_made_or_read_is_refused_with_the_reason() {
    let refused = |obstacle: Obstacle, part: &str| {
        let error = Arena::default().obstacles([obstacle]).scene().expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(Obstacle::cylinder(-4.0, 0.0, 3.0), "where the robot does");
    refused(Obstacle::cylinder(f32::NAN, 0.0, 3.0), "within 250 cm");
    refused(Obstacle::cylinder(400.0, 0.0, 3.0), "within 250 cm");
    refused(Obstacle::cylinder(50.0, 0.0, 0.0), "0.5 to 200 cm");
    refused(Obstacle::block(50.0, 0.0, 10.0, f32::INFINITY), "0.5 to 200 cm");
    refused(Obstacle::block(50.0, 0.0, 10.0, 10.0).turned(f32::NAN), "within 250 cm");
    refused(Obstacle::block(50.0, 0.0, 10.0, 10.0).height(2.0), "4 to 200 cm");
    let many = (0..65).map(|i| Obstacle::cylinder(20.0 + 3.0 * i as f32, 0.0, 1.0));
    let error = Arena::default().obstacles(many).scene().expect_err("too many").to_string();
    assert!(error.contains("at most 64"), "{error}");

    let error = Reading::new(vec![0.5; 5]).expect_err("five values").to_string();
    assert!(error.contains("325 values"), "{error}");
    let error = Reading::new(vec![1.5; 325]).expect_err("no probability").to_string();
    assert!(error.contains("sigmoid"), "{error}");
    let photo = made(0).photo().expect("a photo");
    let look = zoo::squeezenet1_1().expect("the embedded network").look(&photo).expect("a look");
    let error = Reading::from_look(&look).expect_err("a thousand classes").to_string();
    assert!(error.contains("squeezenet1_1") && error.contains("1000"), "{error}");
}

#[test]
fn scenes_become_what_a_network_learns_from() {
    let scenes = [made(3), made(4)];
    let (pictures, detected) = Scene::tensors(&scenes).expect("tensors");
    let model = networks::robot_range().expect("a network");
    for (i, scene) in scenes.iter().enumerate() {
        let look = model.look(&scene.photo().expect("a photo")).expect("a look");
        let input = look.layer("input").expect("the input").tensor();
        let difference = (pictures.narrow(0, i as i64, 1) - input).abs().max();
        assert!(difference.double_value(&[]) < 1e-6, "{difference:?}");
        let truth = scene.truth().to_tensor().expect("a tensor");
        assert_eq!(detected.narrow(0, i as i64, 1), truth);
    }
    let none: [Scene; 0] = [];
    assert!(Scene::tensors(none).expect_err("none").to_string().contains("no scenes"));
}
