//! Occlusion against captum's.

use convlens::prelude::*;

use super::Case;

impl Case {
    /// The occlusion that a key's number stands for.
    fn occlusion(&self, number: &str) -> Occlusion {
        let row = &self.index["windows"][number.parse::<usize>().expect("a number")];
        let pixels = |key: &str| row[key].as_u64().expect("pixels") as usize;
        let baseline = row["baseline"].as_f64().expect("a value");
        Occlusion::default().window(pixels("window")).stride(pixels("stride")).baseline(baseline)
    }
}

#[test]
fn occlusion_is_captums_with_its_windows_at_the_border() {
    for (case, count) in Case::all().iter().zip([6, 3, 3]) {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let looks = case.model.look_inputs(&case.photos(2)).expect("looks");
        let mut compared = 0;
        for key in case.values.keys() {
            let found = match key.split('/').collect::<Vec<_>>()[..] {
                ["occlusion", target, number] => {
                    let heat = look.explain_for(&case.occlusion(number), case.target(target));
                    heat.expect("a map").raw().to_vec()
                }
                ["batch", "occlusion", "each", number] => {
                    let classes = [0, 1].map(|i| case.target(&case.class("batch", i).to_string()));
                    let both = looks.explain_each(&case.occlusion(number), classes).expect("maps");
                    both.iter().flat_map(|heat| heat.raw()).copied().collect()
                }
                _ => continue,
            };
            case.compare(key, &case.thinned(&found));
            compared += 1;
        }
        assert_eq!(compared, count, "{}", case.name);
    }
}
