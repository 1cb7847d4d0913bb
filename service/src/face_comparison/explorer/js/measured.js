/**
 * How far apart the faces of measured pairs of photographs are, by model: normal curves, to show what a distance means.
 *
 * A model that is not listed here gets a scale without curves. `make generate` writes the list.
 */
export const MEASURED = {
  "yunet-sface": { pairs: 2804, same: { mean: 0.716, deviation: 0.182 }, other: { mean: 1.353, deviation: 0.069 } },
  "yunet-sface-int8": { pairs: 2804, same: { mean: 0.712, deviation: 0.177 }, other: { mean: 1.352, deviation: 0.071 } },
};

/** Of a FaceModelVersion such as `yunet-sface-4`; null: not measured. */
export const measured = (version) => MEASURED[version.replace(/-[^-]*$/, "")] ?? null;

export const density = ({ mean, deviation }, distance) => Math.exp(-((distance - mean) ** 2) / (2 * deviation ** 2));

/** Share of a normal curve below a value (Abramowitz and Stegun 7.1.26: off by less than 1.5e-7). */
export function below({ mean, deviation }, distance) {
  const z = (distance - mean) / (deviation * Math.SQRT2);
  const u = 1 / (1 + 0.3275911 * Math.abs(z));
  const series = u * (0.254829592 + u * (-0.284496736 + u * (1.421413741 + u * (-1.453152027 + u * 1.061405429))));
  const half = 1 - series * Math.exp(-z * z);
  return (1 + Math.sign(z) * half) / 2;
}
