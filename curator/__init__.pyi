# What a type checker sees of `curator`: at run time the same names are imported when they are first used.
from curator.app import browse as browse
from curator.errors import CuratorError as CuratorError
from curator.pipeline import audit as audit
from curator.pipeline import export as export
from curator.pipeline import forecast as forecast
from curator.pipeline import recommend as recommend
from curator.pipeline import validate as validate
from curator.types import Audit as Audit
from curator.types import AuditRun as AuditRun
from curator.types import Clusters as Clusters
from curator.types import Dataset as Dataset
from curator.types import Embeddings as Embeddings
from curator.types import Finding as Finding
from curator.types import Measures as Measures
from curator.types import ProbeReport as ProbeReport
from curator.types import Recommendation as Recommendation
from curator.types import SplitPlan as SplitPlan
from curator.workbench import Workbench as Workbench

__version__: str
