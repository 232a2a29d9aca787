;; An instruction whose result depends on the processor.
(component
  (core module $m
    (func (export "run") (result i32)
      (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0x7fc00000 0 0 0)))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
