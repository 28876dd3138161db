// At most one run per animation frame. A hidden page draws no frames, so a slow timer stands in:
// what is scheduled always runs.

export class FrameGate {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly run: () => void) {}

  schedule(): void {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => this.flush());
    this.timer = setTimeout(() => this.flush(), 250);
  }

  /** Runs now if a run is due. */
  flush(): void {
    if (this.frame === undefined) return;
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = undefined;
    this.run();
  }
}
