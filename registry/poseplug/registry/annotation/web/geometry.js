// Poses as lists of [x, y, z] in the camera frame, metres: x right, y down, z forward.

export const add = (a, b) => a.map((value, i) => value + b[i]);
export const sub = (a, b) => a.map((value, i) => value - b[i]);
export const scale = (a, by) => a.map((value) => value * by);
export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const norm = (a) => Math.hypot(...a);
export const unit = (a) => scale(a, 1 / Math.max(norm(a), 1e-9));

/** Return a vector turned about a unit axis, radians. */
export function turned(vector, axis, angle) {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const along = scale(axis, dot(axis, vector) * (1 - cos));
  return add(add(scale(vector, cos), scale(cross(axis, vector), sin)), along);
}

/** Return the pixels of a pose, of points before the camera. */
export function project(pose, focal, [width, height]) {
  return pose.map(([x, y, z]) => {
    const by = focal / Math.max(z, 0.05);
    return [by * x + width / 2, by * y + height / 2];
  });
}

/** Return a joint and all that hang on it. */
export function below(skeleton, joint) {
  const found = new Set([joint]);
  let before = 0;
  while (found.size > before) {
    before = found.size;
    skeleton.parents.forEach((parent, child) => found.has(parent) && found.add(child));
  }
  return found;
}

/** Return the pose with the bone that ends at a joint turned, and all that hangs on it; at the root, everything. */
export function turnBone(pose, skeleton, joint, axis, angle) {
  const moving = below(skeleton, joint);
  const about = pose[joint === skeleton.root ? joint : skeleton.parents[joint]];
  return pose.map((point, i) => (moving.has(i) ? add(about, turned(sub(point, about), axis, angle)) : point));
}

/** Return the pose with the bone that ends at a joint turned the shortest way to a direction. */
export function pointBone(pose, skeleton, joint, direction) {
  const now = unit(sub(pose[joint], pose[skeleton.parents[joint]]));
  const across = cross(now, unit(direction));
  const angle = Math.atan2(norm(across), dot(now, unit(direction)));
  return norm(across) < 1e-9 ? pose : turnBone(pose, skeleton, joint, unit(across), angle);
}

/** Return the pose with the bone that ends at a joint in the other place that the camera sees where this one is.
 *
 * The joint stays on its ray; what hangs on it is moved with it, as it is. The ray meets the sphere about the parent
 * twice, at t and at 2 t0 - t, where t0 is the point of the ray that is nearest to the parent.
 */
export function flipBone(pose, skeleton, joint) {
  if (joint === skeleton.root) return pose;
  const ray = unit(pose[joint]);
  const other = scale(ray, 2 * dot(ray, pose[skeleton.parents[joint]]) - norm(pose[joint]));
  if (other[2] < 0.05) return pose;
  const [move, moving] = [sub(other, pose[joint]), below(skeleton, joint)];
  return pose.map((point, i) => (moving.has(i) ? add(point, move) : point));
}
