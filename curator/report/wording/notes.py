"""The notes of the commands: what was left out, limited, predicted or replaced in a run, and why.

Counts stand at the end of a note, so that a note is the same sentence for one image and for many.
"""

from __future__ import annotations

from collections.abc import Sequence

from curator.report.wording.text import count, percent, whole
from curator.types import Interval

# --- data and audit

FIFTYONE_UNUSED = "FiftyOne's embeddings are not used: there are too many to check."
FIFTYONE_SAMPLED = "FiftyOne's embeddings of these images are not used with --sample."
NO_LABEL_COLUMN = "The metadata has no label column, so all images are one class; name the column with --label-column."
COUNTS_OF_ALL = "Counts and tests use all images. Clusters, probes and examples use a random sample (docs/limits.md)."


def synthetic_audited(n: int) -> str:
    return f"Images of the data that are synthetic, and audited like the others: {n}."


def concepts_unused(file: str, encoder: str) -> str:
    return f"{file} is not used, because {encoder} cannot read prompts. CLIP can."


def prompts_unanswered(prompts: Sequence[str]) -> str:
    """
    >>> prompts_unanswered(["fog"]).partition(". ")[0]
    'Prompts that were not tested: fog'
    """
    more = f" and {len(prompts) - 10} more" if len(prompts) > 10 else ""
    why = "The images do not split into two clear groups by them, or another prompt splits them alike."
    return f"Prompts that were not tested: {', '.join(prompts[:10])}{more}. {why}"


def only_train(n: int) -> str:
    return f"Findings describe only the {count(n, 'image')} of the train split, which a network would see."


def not_sampled(n: int) -> str:
    return f"All {n:,} images were audited, because only `curator audit` uses the setting `sample`."


def without_probe(smallest: int, classes: Sequence[str]) -> str:
    return f"Classes without reliance and label check, because they have fewer than {smallest} images: {', '.join(classes)}."


def duplicate_index(n: int, n_checked: int, n_pairs: int, n_found: int, ci: Interval | None) -> str:
    """How duplicates were searched with an index, and how many of the true pairs of `n_checked` images it found.

    >>> duplicate_index(90000, 500, 40, 38, (0.83, 0.99))  # doctest: +NORMALIZE_WHITESPACE
    'An index finds the duplicates among 90,000 images; not every pair is compared, and each match is checked. As a check,
    500 images were compared with all others: 38 of their 40 pairs were found, 95% [83, 99].'
    """
    result = "none had a duplicate"
    if n_pairs and ci is not None:
        share = f"{percent(n_found / n_pairs)} [{whole(ci[0])}, {whole(ci[1])}]"
        result = f"{n_found} of their {n_pairs} pairs were found, {share}"
    return (
        f"An index finds the duplicates among {n:,} images; not every pair is compared, and each match is checked. "
        f"As a check, {n_checked:,} images were compared with all others: {result}."
    )


def counted(n: int, n_train: int, has_splits: bool, n_sample: int, seed: int) -> str:
    """Which images shares and tests use if a sample was drawn, and what the sample was used for."""
    used = f"{n:,} images"
    if n_train != n:
        used = f"{n_train:,} of {n:,} images{', those of the train split' if has_splits else ''}"
    return (
        f"Shares, effects and tests use {used}. A random sample of {n_sample:,} (seed {seed}) was used to find attribute "
        "values and related findings, and for random halves, reliance, examples, duplicates and doubtful labels."
    )


def identical_in_two_splits(n: int, leaks: Sequence[tuple[str, ...]]) -> str:
    some = "; ".join(" = ".join(ids[:2]) for ids in leaks[:3])
    return f"Identical files in two splits, among all {n:,} images: {len(leaks):,} ({some}); audit.json lists all."


def shown_in_app(n_shown: int, n: int, n_flagged: int) -> str:
    return (
        f"The App shows {n_shown:,} of {n:,} images: all {n_flagged:,} flagged images (examples, duplicates, doubtful "
        "labels) and a sample of the others, with the same fraction of every class."
    )


def field_unused(field: str, length: int, encoder: str, own_length: int) -> str:
    """Why the vectors of a FiftyOne field are not used. Equal lengths: they are not the encoder's."""
    why = f"its vectors have {length} numbers, but those of {encoder} have {own_length}"
    if length == own_length:
        why = f"its vectors are not those of {encoder}"
    return f"FiftyOne's field {field!r} is not used: {why}."


def field_used(field: str, n_used: int, n: int, n_others: int) -> str:
    others = f"; for {count(n_others, 'image')} they are not the encoder's" if n_others else ""
    return f"Embeddings of FiftyOne's field {field!r} are used for {n_used} of {n} images{others}."


def report_without(why: str, commands: str) -> str:
    return f"report.html leaves out {why}; run {commands} again."


def earlier_decisions(ledger: str) -> str:
    return f"Your decisions on an earlier list are kept. To use them, add --review {ledger}."


# --- pool and plan


NONE_USABLE = (
    "Nothing to recommend: no image of the pool can be used, as the other notes say; give a pool with other images of the same "
    "classes."
)
NONE_BREAKS = (
    "Nothing to recommend: no image of the pool breaks the rule; give a pool that has images of the shopping list."
)
NONE_LACKING = (
    "Nothing to recommend: no group of the data lacks images that the pool has; raise --budget, or name a shortcut with "
    "--attribute."
)


def none_certain(confidence: float) -> str:
    return (
        f"Nothing to recommend: no predicted label of the pool is certain enough ({confidence:.0%} is needed); give the pool's "
        "labels, or lower the setting `confidence` in [recommend]."
    )


def of_files(findings: Sequence[str]) -> str:
    """What mends findings about the files, which no image does.

    >>> of_files(["cat:file.format=PNG"])  # doctest: +NORMALIZE_WHITESPACE
    'The files give the class away (cat:file.format=PNG): the classes come from different sources. Save all images alike; no
    added image mends it.'
    """
    return f"The files give the class away ({', '.join(findings)}): {FILES}"


FILES = "the classes come from different sources. Save all images alike; no added image mends it."


def labels_unchecked(accuracy: float, chance: float) -> str:
    """Why no label is called doubtful.

    >>> labels_unchecked(0.56, 0.5)
    'Labels were not checked: a probe names the class of 56% of the images (chance 50%), too few to doubt a label.'
    """
    return (
        f"Labels were not checked: a probe names the class of {percent(accuracy)} of the images (chance {percent(chance)}), "
        "too few to doubt a label."
    )


def alone_unmeasured(fewest: int) -> str:
    return (
        "What the surroundings alone tell of the class was not measured, because fewer than two classes have "
        f"{fewest} different images."
    )


def leaked(split: str, n_leaked: int, n: int) -> str:
    """How many images of a split are also in another split.

    >>> leaked("test", 57, 58)
    'Leak: 57 of 58 images of the split "test" are also in another split, so a score on it means little.'
    """
    verb = "is" if n_leaked == 1 else "are"
    return (
        f'Leak: {n_leaked:,} of {n:,} images of the split "{split}" {verb} also in another split, so a score on it '
        f"{'means little' if n_leaked >= n / 10 else 'is too high'}."
    )


def repeated_in_pool(n: int) -> str:
    return f"Images of the pool that are not recommended, because they repeat an image of the data or the pool: {n}."


def unlabelled_pool(n: int, n_pool: int, n_classes: int) -> str:
    """What happens to `n` of `n_pool` images that have no label; "" if all have one."""
    if not n:
        return ""
    if n_classes < 2:
        return f"Images of the pool that are left out, because they have no label and the data one class: {n}."
    if n == n_pool:
        return "The pool has no labels, so curator predicted them. Check each image before you add it."
    return f"Images of the pool without a label, whose label is predicted: {n}. Check each image before you add it."


def unlike_any_class(n: int) -> str:
    return f"Images of the pool that are left out because they do not look like any class of the data: {n}."


def other_labels(n: int, where: str, labels: Sequence[str], meant: tuple[str, str] | None) -> str:
    """Images whose label is not a class of the data. `meant`: a class, and a label that resembles it.

    >>> other_labels(3, "pool", ["bunnny", "cat"], ("bunny", "bunnny"))  # doctest: +NORMALIZE_WHITESPACE
    'Images of the pool that are left out, without a class of the data (bunnny, cat): 3. Did you mean bunny instead of
    bunnny?'
    """
    names = f"{', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''}"
    hint = f" Did you mean {meant[0]} instead of {meant[1]}?" if meant else ""
    return f"Images of the {where} that are left out, without a class of the data ({names}): {n}.{hint}"


def unmeasured(where: str, finding: str, attribute: str, is_column: bool) -> str:
    return f"The {where} has {lacks(attribute, is_column)}, so {finding} is left out."


def lacks(attribute: str, is_column: bool) -> str:
    """What a set of images has not: the user's column, or an image in which the attribute could be measured."""
    return f"no column {attribute.partition('.')[2]}" if is_column else f"no image with a measured {attribute}"


def planned_once(finding: str, lead: str) -> str:
    return f"{finding} goes with {lead}: the same images break both, so they are planned once."


def accepted_of_other_class(n: int, classes: Sequence[str]) -> str:
    return (
        f"Accepted images that are left out because their label is not a class of the data ({', '.join(classes)}): {n}."
    )


def decided_elsewhere(n: int) -> str:
    return f"Decisions on images that are not in the pool: {n}."


def composed(n_asked: int, n_planned: int, n_made: int) -> str:
    return f"Counter-examples requested: {n_asked}; wanted by the plan: {n_planned}; made: {n_made}."


def unconfirmed_labels(n: int) -> str:
    return f"Images of the plan whose label is predicted and not confirmed: {n}. Check these images."


def already_there(n: int) -> str:
    return f"Images of the plan that are not added because the data already has them: {n}."


def planned_of_other_class(n: int, classes: Sequence[str]) -> str:
    return f"Images of the plan that are left out, without a class of the data ({', '.join(classes)}): {n}."


def removed_by_plan(n: int) -> str:
    return f"Images of the data that the plan leaves out: {n}."


# --- test set and validation


def not_examined(passed_over: Sequence[str], examined: str) -> str:
    """Which findings were passed over because too few test images break them."""
    more = f" and {len(passed_over) - 3} more" if len(passed_over) > 3 else ""
    return (
        f"Too few test images break {', '.join(passed_over[:3])}{more}, so {examined} was examined. A larger --test can "
        "examine them too."
    )


NOTHING_ADDED = "No image is added, because the pool has none that the plan wants. Only the present data was tested."


def split_is_test(split: str, n: int) -> str:
    return f"The test set is the {split} split of the data ({count(n, 'image')})."


def held_out(n: int, n_each: int) -> str:
    return f"Without --test, {n} images are held out: {n_each} of every class x value group that is large enough."


def repeats_training(n: int) -> str:
    return f"Test images that are left out because they repeat a training image: {n}."


def unlabelled(what: str, n: int) -> str:
    return f"{what} that are left out because they have no label: {n}."


def small_groups(smallest: int, groups: Sequence[str]) -> str:
    return f"Groups that are not tested because they have fewer than {smallest} test images: {'; '.join(groups)}."


def repeats_test(n: int) -> str:
    return f"Images of the pool that no arm adds because they repeat a test image: {n}."


def synthetic_arm(n: int) -> str:
    return f"Synthetic images, which form a separate arm: {n}."


def synthetic_of_test(n: int) -> str:
    return f"Synthetic images that are left out because they are made from a test image: {n}."


def recommended_of_other_class(n: int) -> str:
    return f"Recommended images that are not added, because their label is not a class of the data: {n}."


def predicted_labels(what: str, n_predicted: int, n: int) -> str:
    return f"Labels of {what} that are predicted, not given: {n_predicted} of {n}."


def few_random(n: int, n_needed: int) -> str:
    return f"The pool has {count(n, 'image')} for the random arm, but {n_needed} are needed, so every draw uses all of them."


def average_falls(mean_falls: bool) -> str:
    mean = ", and so does the mean over all groups" if mean_falls else ""
    return f"The average accuracy, weighted by the group sizes of the training set, falls{mean}."


# --- decisions of a person


def undecided(n: int) -> str:
    return f"Images with both the tag accept and the tag reject stay undecided: {n}."


def unknown_tag(tag: str, word: str, example: str) -> str:
    return f"The tag {tag!r} does not name a finding; write {word}: and its id, such as {word}: {example}."


def unclear_tag(n: int, example: str) -> str:
    return (
        f"The tag intended is on {count(n, 'image')} but does not show which finding is meant; tag one of them with "
        f"intended: and the finding's id, such as intended: {example}."
    )


# --- forecast


def a_guess(fewest: int) -> str:
    return f"A class has fewer than {fewest} images, so this forecast is a guess. Add images and forecast again."


def far(times: int) -> str:
    return f"The forecast is for more than {times} times the present images, which was never checked. Add images, try again."


def small_classes(smallest: int, classes: Sequence[str]) -> str:
    return f"Classes that are left out because they have fewer than {smallest} different images: {', '.join(classes)}."


def at_most(n: int) -> str:
    return f"The forecast uses at most {n:,} images per class, drawn at random."


def smallest_class(name: str, n: int) -> str:
    return (
        f"The curve ends at the size of the smallest class: {name}, {count(n, 'image')}. Larger classes are cut to the same "
        "size."
    )


def tested_on(split: str | None, n_folds: int) -> str:
    """Which images a forecast is tested on."""
    return f"the {split} split" if split else f"all images, each by probes that had not seen it ({n_folds} folds)"


def no_zero_shot(why: object) -> str:
    return f"There is no zero-shot accuracy: {why}"


def zero_shot_by(encoder: str, with_sentences: bool) -> str:
    """What read the class names for zero-shot accuracy."""
    instead = " and a sentence model instead of CLIP" if with_sentences else ""
    return f"the class names as prompts, read by {encoder}{instead}"
