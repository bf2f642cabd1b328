"""The types that travel between the stages. Frozen, validated, arrays read-only; row i is the same image everywhere."""

from curator.types.arrays import (
    UNLABELLED as UNLABELLED,
)
from curator.types.arrays import (
    Box as Box,
)
from curator.types.arrays import (
    Floats as Floats,
)
from curator.types.arrays import (
    Ids as Ids,
)
from curator.types.arrays import (
    Interval as Interval,
)
from curator.types.arrays import (
    Ints as Ints,
)
from curator.types.arrays import (
    Kind as Kind,
)
from curator.types.arrays import (
    Mask as Mask,
)
from curator.types.arrays import (
    Severity as Severity,
)
from curator.types.arrays import (
    as_ids as as_ids,
)
from curator.types.data import (
    Column as Column,
)
from curator.types.data import (
    Dataset as Dataset,
)
from curator.types.data import (
    Embedded as Embedded,
)
from curator.types.data import (
    Embeddings as Embeddings,
)
from curator.types.data import (
    Encoder as Encoder,
)
from curator.types.data import (
    EncoderInfo as EncoderInfo,
)
from curator.types.data import (
    Eye as Eye,
)
from curator.types.data import (
    FileFacts as FileFacts,
)
from curator.types.data import (
    Measures as Measures,
)
from curator.types.data import (
    PackedRows as PackedRows,
)
from curator.types.data import (
    Patches as Patches,
)
from curator.types.data import (
    Photo as Photo,
)
from curator.types.data import (
    PlaceFeatures as PlaceFeatures,
)
from curator.types.data import (
    Preprocessing as Preprocessing,
)
from curator.types.data import (
    Skipped as Skipped,
)
from curator.types.plans import (
    Arm as Arm,
)
from curator.types.plans import (
    Cell as Cell,
)
from curator.types.plans import (
    CurvePoint as CurvePoint,
)
from curator.types.plans import (
    ExpectedPoint as ExpectedPoint,
)
from curator.types.plans import (
    GroupAccuracy as GroupAccuracy,
)
from curator.types.plans import (
    ProbeReport as ProbeReport,
)
from curator.types.plans import (
    Recommendation as Recommendation,
)
from curator.types.plans import (
    Removal as Removal,
)
from curator.types.plans import (
    SplitPlan as SplitPlan,
)
from curator.types.results import (
    Adjusted as Adjusted,
)
from curator.types.results import (
    Audit as Audit,
)
from curator.types.results import (
    AuditRun as AuditRun,
)
from curator.types.results import (
    Clusters as Clusters,
)
from curator.types.results import (
    Confirmation as Confirmation,
)
from curator.types.results import (
    DuplicateGroup as DuplicateGroup,
)
from curator.types.results import (
    Finding as Finding,
)
from curator.types.results import (
    LabelError as LabelError,
)
from curator.types.results import (
    Reliance as Reliance,
)
from curator.types.results import (
    SharedPattern as SharedPattern,
)
from curator.types.results import (
    Verdict as Verdict,
)
