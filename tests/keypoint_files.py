"""Files of key points as detectors write them, made by plain scripts in the layouts of their public code."""

import json

import attrs
import numpy as np


@attrs.frozen
class Crowd:
    """What the files hold: N people in the order of frames, some joints missing (zeros)."""

    joints: np.ndarray
    score: np.ndarray
    frame: np.ndarray
    track: np.ndarray

    def __len__(self):
        return len(self.joints)

    def flat(self, person):
        rows = np.concatenate([self.joints[person], self.score[person, :, None]], -1)
        return [float(number) for number in rows.ravel()]

    def frames(self):
        """Give each frame up to the last with its people; some have none."""
        for frame in range(int(self.frame.max()) + 1):
            yield frame, np.flatnonzero(self.frame == frame)


def crowd(joints, people=7, seed=0):
    """Return people in 640 x 480 pixels, up to three in a frame, every third frame empty."""
    random = np.random.default_rng(seed)
    frame = np.sort(random.integers(0, max(people // 2, 2), people))
    frame = frame + frame // 2
    track = np.concatenate([np.arange((frame == f).sum()) for f in np.unique(frame)])
    place = (random.random((people, joints, 2)) * [640, 480]).astype(np.float32)
    score = random.uniform(0.1, 1, (people, joints)).astype(np.float32)
    gone = random.random((people, joints)) < 0.2
    gone[:, 0] = False
    place[gone], score[gone] = 0, 0
    return Crowd(place, score, frame, track)


def write_coco_results(path, people):
    path.write_text(
        json.dumps(
            [
                {"image_id": int(people.frame[i]), "category_id": 1, "keypoints": people.flat(i), "score": 0.7}
                for i in range(len(people))
            ]
        )
    )
    return path


COCO_JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
)


def write_coco_annotations(path, people, order=("info", "images", "annotations", "categories"), names=COCO_JOINTS):
    """Visibility is 0 where the score is, else 1 or 2; a crowd and a person without key points stand among them."""
    annotations = []
    for i in range(len(people)):
        flat = people.flat(i)
        flat[2::3] = [0 if score == 0 else 1 + (j % 2) for j, score in enumerate(people.score[i])]
        known = {"num_keypoints": sum(v > 0 for v in flat[2::3]), "iscrowd": 0, "keypoints": flat}
        bare = {"image_id": int(people.frame[i]), "category_id": 1, "id": 100 + i, "segmentation": [[1.5, 2, 3]]}
        annotations += [{**bare, **known}, {**bare, **known, "iscrowd": 1}]
        annotations.append({**bare, "iscrowd": 0, "num_keypoints": 0, "keypoints": [0] * 51})
    parts = {
        "info": {"description": "COCO"},
        "images": [{"id": f, "width": 640 + f, "height": 480, "file_name": f"{f:012d}.jpg"} for f in range(30)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": [*names], "skeleton": [[1, 2]]}],
    }
    path.write_text(json.dumps({key: parts[key] for key in order}))
    return path


def write_openpose(folder, people, scale=(1, 1), name="clip"):
    folder.mkdir(exist_ok=True)
    for frame, rows in people.frames():
        table = {"version": 1.3, "people": []}
        for i in rows:
            flat = people.flat(i)
            flat[::3], flat[1::3] = (np.divide(flat[k::3], scale[k]).tolist() for k in (0, 1))
            person = {"person_id": [-1], "pose_keypoints_2d": flat, "face_keypoints_2d": [], "pose_keypoints_3d": []}
            table["people"].append(person)
        (folder / f"{name}_{frame:012d}_keypoints.json").write_text(json.dumps(table))
    return folder


def write_alphapose(path, people, extra=0):
    """``extra`` joints, of face and hands, follow the body's."""
    items = []
    for i in range(len(people)):
        flat = people.flat(i) + [1.0, 2.0, 0.5] * extra
        item = {"image_id": f"frame_{people.frame[i]:06d}.jpg", "category_id": 1, "keypoints": flat, "score": 2.9}
        items.append({**item, "box": [1.0, 2.0, 30.0, 40.0], "idx": [[float(people.track[i])]]})
    path.write_text(json.dumps(items))
    return path


def write_alphapose_by_image(path, people, form):
    table = {}
    for i in range(len(people)):
        image = table.setdefault(f"{people.frame[i]}.jpg", {"version": "AlphaPose v0.3"})
        if form == "cmu":
            image.setdefault("bodies", []).append({"joints": people.flat(i)})
        else:
            image.setdefault("people", []).append({"pose_keypoints_2d": people.flat(i)})
    path.write_text(json.dumps(table))
    return path


def _instance(people, i, extra, tracks):
    return {
        "keypoints": people.joints[i].astype(float).tolist() + [[1.0, 2.0]] * extra,
        "keypoint_scores": people.score[i].astype(float).tolist() + [0.5] * extra,
        "bbox": [[1.0, 2.0, 30.0, 40.0]],
        "bbox_score": 0.9,
        **({"track_id": int(people.track[i])} if tracks else {}),
    }


def write_mmpose(path, people, extra=0, demo=True, tracks=False):
    """The demo's table counts frames from 1, the Inferencer's list from 0."""
    frames = [
        {"frame_id": frame + demo, "instances": [_instance(people, i, extra, tracks) for i in rows]}
        for frame, rows in people.frames()
    ]
    sigmas = {"__ndarray__": [0.026, 0.025], "dtype": "float32", "shape": [2]}
    meta = {
        "dataset_name": "coco",
        "keypoint_id2name": {str(i): n for i, n in enumerate(COCO_JOINTS)},
        "sigmas": sigmas,
    }
    if people.joints.shape[1] != 17:
        meta = {"dataset_name": "halpe26"}
    path.write_text(json.dumps({"meta_info": meta, "instance_info": frames} if demo else frames))
    return path


def landmarks(people, i, size):
    return [
        {"x": float(x / size[0]), "y": float(y / size[1]), "z": -0.1, "visibility": float(score)}
        for (x, y), score in zip(people.joints[i].astype(float), people.score[i], strict=True)
    ]


def write_mediapipe(path, people, size, lines=False, wrap=True):
    frames = []
    for _, rows in people.frames():
        found = [landmarks(people, i, size) for i in rows]
        frames.append({"landmarks": found, "world_landmarks": []} if wrap else (found[0] if found else None))
    path.write_text("\n".join(map(json.dumps, frames)) if lines else json.dumps(frames))
    return path


def write_csv(path, people, joints, long=False, mark=","):
    with path.open("w") as file:
        if long:
            print("frame", "track", "joint", "x", "y", "score", sep=mark, file=file)
        else:
            print("frame", "track", *(f"{joint}_{part}" for joint in joints for part in ("x", "y", "score")),
                  sep=mark, file=file)  # fmt: skip
        for i in range(len(people)):
            who = people.frame[i], people.track[i]
            if not long:
                print(*who, *people.flat(i), sep=mark, file=file)
                continue
            for joint, (x, y), score in zip(joints, people.joints[i].astype(float), people.score[i], strict=True):
                if score > 0:
                    print(*who, joint, x, y, float(score), sep=mark, file=file)
    return path


def write_npz(path, people, **also):
    with path.open("wb") as file:
        np.savez(file, keypoints=people.joints, scores=people.score, frame=people.frame, track=people.track, **also)
    return path


def objects(rows):
    """Return an object array [T, 2] of rows such as [[], array], which older NumPys made of lists by themselves."""
    array = np.empty((len(rows), 2), object)
    for i, row in enumerate(rows):
        array[i, 0], array[i, 1] = row
    return array


def write_detectron(path, people, size):
    """One video, as infer_video_d2.py of VideoPose3D saves it."""
    boxes, keypoints = [], []
    for _, rows in people.frames():
        x, y = people.joints[rows, :, 0], people.joints[rows, :, 1]
        # The logit is of no use to anybody; the probability is the fourth row.
        found = np.stack([x, y, np.full_like(x, 7), people.score[rows]], axis=1)
        boxes.append([[], np.ones((len(rows), 5), np.float32) if len(rows) else []])
        keypoints.append([[], found if len(rows) else []])
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            boxes=objects(boxes),
            segments=np.array([None] * len(boxes)),
            keypoints=objects(keypoints),
            metadata={"w": size[0], "h": size[1]},
        )
    return path


def write_videopose(path, clips, layout="coco", size=None):
    """Clips by the name of their video, as prepare_data_2d_custom.py of VideoPose3D saves them."""
    metadata = {"layout_name": layout, "num_joints": 17, "keypoints_symmetry": [[1, 3], [2, 4]], "video_metadata": {}}
    if size:
        metadata["video_metadata"] = {video: {"w": size[0], "h": size[1]} for video in clips}
    positions = {video: {"custom": [clip.astype("float32")]} for video, clip in clips.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, positions_2d=positions, metadata=metadata)
    return path
